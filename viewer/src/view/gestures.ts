/** What dragging, the wheel and fingers do on a pane. Measuring is the tools' own. */

import type { Point } from "../overlay/affine";
import type { Pane } from "./pane";

export type DragMode = "window" | "zoom" | "pan";

export interface GestureHost {
  /** What the main button does; undefined while a tool has it. */
  dragMode(pane: Pane, event: PointerEvent): DragMode | undefined;
  activate(pane: Pane): void;
  scroll(pane: Pane, steps: number): void;
  panned(pane: Pane): void;
}

const PIXELS_PER_STEP = 40;
const LINE_PX = 40;

export function enableGestures(pane: Pane, host: GestureHost): void {
  const { surface } = pane;
  const pointers = new Map<number, Point>();
  let mode: DragMode | undefined;
  let wheel = 0;

  surface.addEventListener("pointerdown", (event) => {
    host.activate(pane);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    mode = modeOf(event);
    if (mode) surface.setPointerCapture(event.pointerId);
  });
  surface.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 2) pinch(event, last);
    else if (mode) drag(mode, event.clientX - last[0], event.clientY - last[1], event);
  });
  const end = (event: PointerEvent) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) mode = undefined;
  };
  surface.addEventListener("pointerup", end);
  surface.addEventListener("pointercancel", end);
  surface.addEventListener("contextmenu", (event) => event.preventDefault());
  surface.addEventListener("wheel", onWheel, { passive: false });

  function modeOf(event: PointerEvent): DragMode | undefined {
    if (event.button === 1) return "pan";
    if (event.button === 2) return "zoom";
    return host.dragMode(pane, event);
  }

  function drag(how: DragMode, x: number, y: number, event: PointerEvent): void {
    if (how === "pan") pane.panBy(x, y);
    else if (how === "zoom") pane.zoomBy(1.01 ** -y);
    else changeWindow(pane, x, y);
    if (how !== "window") host.panned(pane);
    event.preventDefault();
  }

  function pinch(event: PointerEvent, last: Point): void {
    const [id] = [...pointers.keys()].filter((key) => key !== event.pointerId);
    const other = pointers.get(id!)!;
    const now: Point = [event.clientX, event.clientY];
    const factor = Math.hypot(now[0] - other[0], now[1] - other[1]) / (Math.hypot(last[0] - other[0], last[1] - other[1]) || 1);
    pane.zoomBy(factor);
    pane.panBy((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
    host.panned(pane);
  }

  function onWheel(event: WheelEvent): void {
    event.preventDefault();
    const bounds = surface.getBoundingClientRect();
    if (event.ctrlKey) {
      pane.zoomBy(1.002 ** -event.deltaY, [event.clientX - bounds.left, event.clientY - bounds.top]);
      host.panned(pane);
      return;
    }
    wheel += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE_PX;
    const steps = Math.trunc(wheel / PIXELS_PER_STEP);
    // One notch of a mouse is one image, however far the system says it goes.
    const whole = Math.abs(event.deltaY) >= 100 ? Math.sign(event.deltaY) : steps;
    if (whole === 0) return;
    wheel = 0;
    host.scroll(pane, whole);
  }
}

/** Right widens, down lowers the brightness; a drag across half the pane changes the window about twofold. */
export function changeWindow(pane: Pane, x: number, y: number): void {
  const now = pane.shownWindow;
  const step = Math.max(now.width, 1) / 300;
  const width = Math.max(1, now.width + x * step);
  pane.setWindow({ width, center: now.center + y * step, label: "" });
}
