/** Lets the doctor draw a box or an outline, or show a place, in pixels of the stored image. */

import type { Pane } from "../view/pane";
import type { Box, Drawn, PointPx } from "../types";
import { svg } from "../view/dom";
import { Cross } from "./cross";

/** A place is a point where it was clicked, a box where it was dragged. */
export type Shape = "box" | "outline" | "place";

/** A box or outline smaller than this was a slip of the hand, or a click; pixels of the screen. */
const LEAST_PX = 3;

export class Drawing {
  readonly done: Promise<Drawn | null>;
  private finish!: (drawn: Drawn | null) => void;
  private readonly drawing = svg("svg", { class: "crv-drawing" });
  private readonly cross: Cross;
  private readonly abort = new AbortController();
  private points: PointPx[] = [];
  private isDown = false;

  constructor(
    private readonly pane: Pane,
    private readonly shape: Shape,
  ) {
    this.done = new Promise((resolve) => (this.finish = resolve));
    this.cross = new Cross(pane);
    pane.root.querySelector(".crv-above")!.append(this.drawing);
    const listen = { capture: true, signal: this.abort.signal };
    const { surface } = pane;
    surface.addEventListener("pointerdown", (event) => this.start(event), listen);
    surface.addEventListener("pointermove", (event) => this.go(event), listen);
    surface.addEventListener("pointerup", (event) => this.end(event), listen);
    surface.addEventListener("mousedown", (event) => event.stopImmediatePropagation(), listen);
  }

  /** Arrow keys and Enter, for all shapes; an outline is closed by a double Enter, and so is a point. */
  move(x: number, y: number): void {
    const at = this.cross.move(x, y);
    if (at && this.points.length > 0) this.show([...this.points, at]);
  }

  setPoint(): void {
    const before = this.points.length;
    this.points = this.cross.set();
    const last = this.points.at(-1);
    const isSame = before > 0 && last !== undefined && distance(last, this.points[before - 1]!) < 1e-6;
    if (this.shape !== "outline" && this.points.length === 2) this.complete(this.points);
    else if (this.shape === "outline" && isSame && this.points.length > 3) this.complete(this.points.slice(0, -1));
    else this.show(this.points);
  }

  cancel(): void {
    this.close(null);
  }

  private start(event: PointerEvent): void {
    if (event.button !== 0) return;
    event.stopImmediatePropagation();
    const at = this.at(event);
    if (!at) return;
    this.pane.surface.setPointerCapture(event.pointerId);
    this.isDown = true;
    this.points = [at];
  }

  private go(event: PointerEvent): void {
    if (!this.isDown) return;
    event.stopImmediatePropagation();
    const at = this.at(event);
    if (!at) return;
    this.points = this.shape === "outline" ? [...this.points, at] : [this.points[0]!, at];
    this.show(this.points);
  }

  private end(event: PointerEvent): void {
    if (!this.isDown) return;
    event.stopImmediatePropagation();
    this.isDown = false;
    if (this.shape === "place" || this.isLargeEnough()) this.complete(this.points);
    else this.show([]);
  }

  private isLargeEnough(): boolean {
    return this.isWide(this.points) && (this.shape !== "outline" || this.points.length > 3);
  }

  private isWide(stored: PointPx[]): boolean {
    const points = stored.map((point) => this.pane.pointOf(point)!);
    const wide = Math.max(...points.map(([x]) => x)) - Math.min(...points.map(([x]) => x));
    const high = Math.max(...points.map(([, y]) => y)) - Math.min(...points.map(([, y]) => y));
    return wide >= LEAST_PX && high >= LEAST_PX;
  }

  private complete(points: PointPx[]): void {
    const { frame } = this.pane;
    if (!frame) return this.close(null);
    const drawn: Drawn = { sopInstanceUid: frame.sopInstanceUid, frame: frame.frame };
    if (this.shape === "place" && !this.isWide(points)) drawn.point = points[0]!;
    else if (this.shape !== "outline") drawn.box = boxOf(points[0]!, points[1]!);
    else drawn.outline = thinned(points, 0.5);
    this.close(drawn);
  }

  private close(drawn: Drawn | null): void {
    this.abort.abort();
    this.drawing.remove();
    this.cross.dispose();
    this.finish(drawn);
  }

  /** Where the pointer is, held within the image. */
  private at(event: PointerEvent): PointPx | undefined {
    const { frame } = this.pane;
    const pixel = this.pane.pixelAt(event.clientX, event.clientY);
    if (!frame || !pixel) return undefined;
    return [Math.min(frame.columns, Math.max(0, pixel[0])), Math.min(frame.rows, Math.max(0, pixel[1]))];
  }

  private show(points: PointPx[]): void {
    const shown = this.shape !== "outline" && points.length === 2 ? cornersOf(boxOf(points[0]!, points[1]!)) : points;
    const text = shown.map((point) => this.pane.pointOf(point)!.join(",")).join(" ");
    this.drawing.replaceChildren(svg("polygon", { points: text, class: "crv-draft" }));
  }
}

export function boxOf(a: PointPx, b: PointPx): Box {
  return {
    left_px: Math.min(a[0], b[0]),
    top_px: Math.min(a[1], b[1]),
    width_px: Math.abs(a[0] - b[0]),
    height_px: Math.abs(a[1] - b[1]),
  };
}

function cornersOf({ left_px, top_px, width_px, height_px }: Box): PointPx[] {
  const [right, bottom] = [left_px + width_px, top_px + height_px];
  return [
    [left_px, top_px],
    [right, top_px],
    [right, bottom],
    [left_px, bottom],
  ];
}

/** Leave out points that lie within `tolerance` of the line between their neighbours (Douglas and Peucker 1973). */
export function thinned(points: PointPx[], tolerance: number): PointPx[] {
  if (points.length < 3) return points;
  const [first, last] = [points[0]!, points.at(-1)!];
  let [farthest, size] = [0, 0];
  points.forEach((point, i) => {
    const off = distanceToLine(point, first, last);
    if (off > size) [farthest, size] = [i, off];
  });
  if (size <= tolerance) return [first, last];
  return [...thinned(points.slice(0, farthest + 1), tolerance).slice(0, -1), ...thinned(points.slice(farthest), tolerance)];
}

function distanceToLine(point: PointPx, a: PointPx, b: PointPx): number {
  const length = distance(a, b);
  if (length < 1e-9) return distance(point, a);
  return Math.abs((b[0] - a[0]) * (a[1] - point[1]) - (a[0] - point[0]) * (b[1] - a[1])) / length;
}

function distance(a: PointPx, b: PointPx): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
