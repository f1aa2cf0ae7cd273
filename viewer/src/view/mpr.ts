/** Three planes through a volume, by Cornerstone's CPU sampling, tied by one point. */

import { Enums, type PlanarViewport, cache, utilities, volumeLoader } from "@cornerstonejs/core";
import type { App } from "../app";
import type { Frame, Window } from "../dicom/frame";
import { type Vector, dot, minus, unit } from "../dicom/vectors";
import { type Affine, type Point, affineOf } from "../overlay/affine";
import { cutsThrough } from "../overlay/cuts";
import { colourOfOverlay } from "../overlay/layer";
import type { Series } from "../study/series";
import type { TextKey } from "../text/catalogue";
import { element, oncePerFrame, svg } from "./dom";
import { newId } from "./engine";
import { Furniture } from "./furniture";
import { stackOf } from "./link";
import { worldOf } from "./pane";

interface Plane {
  orientation: Enums.OrientationAxis;
  name: TextKey;
  colour: string;
}

const PLANES: Plane[] = [
  { orientation: Enums.OrientationAxis.AXIAL, name: "mprAxial", colour: "#ff6b6b" },
  { orientation: Enums.OrientationAxis.CORONAL, name: "mprCoronal", colour: "#7ae582" },
  { orientation: Enums.OrientationAxis.SAGITTAL, name: "mprSagittal", colour: "#4cc9f0" },
];

const MODALITIES = new Set(["CT", "MR", "PT"]);

/** Slices may lie this far from even spacing, as a share of it, before a volume would mislead. */
const UNEVEN = 0.1;

export class Mpr {
  private readonly views: View[];
  private active: View;
  point: Vector;
  window: Window;

  private constructor(
    readonly app: App,
    readonly series: Series,
    readonly frames: Frame[],
    readonly volumeId: string,
  ) {
    const volume = cache.getVolume(volumeId)!;
    const [x, y, z] = volume.dimensions;
    this.point = volume.imageData!.indexToWorld([x / 2, y / 2, z / 2]) as Vector;
    this.window = app.active.shownWindow;
    app.shell.grid.hidden = true;
    this.grid.dataset["panes"] = "3";
    app.shell.grid.after(this.grid);
    this.views = PLANES.map((plane) => new View(this, plane));
    this.active = this.views[0]!;
  }

  readonly grid = element("div", "crv-grid");

  /** Undefined where the series cannot be reformatted; the reason is shown. */
  static async open(app: App): Promise<Mpr | undefined> {
    const { series } = app.active;
    if (!series) return undefined;
    app.prefetch.pin(true);
    try {
      const frames = await volumeFrames(app, series);
      await loadAll(app, series);
      const volumeId = `coread-volume:${series.uid}`;
      await volumeLoader.createAndCacheVolumeFromImages(volumeId, series.slots.map((_, i) => series.imageId(i)));
      app.note("");
      const mpr = new Mpr(app, series, frames, volumeId);
      await Promise.all(mpr.views.map((view) => view.open()));
      mpr.changed();
      return mpr;
    } catch (error) {
      app.prefetch.pin(false);
      if (!(error instanceof Refusal)) throw error;
      app.note(app.say("mprRefused", { reason: error.message }));
      setTimeout(() => app.note(""), 4000);
      return undefined;
    }
  }

  close(): void {
    for (const view of this.views) view.close();
    this.grid.remove();
    this.app.shell.grid.hidden = false;
    cache.removeVolumeLoadObject(this.volumeId);
    this.app.prefetch.pin(false);
  }

  activate(view: View): void {
    this.active = view;
    for (const one of this.views) one.root.classList.toggle("crv-active", one === view);
  }

  /** Move the common point; the planes through it follow. */
  moveTo(point: Vector): void {
    this.point = point;
    for (const view of this.views) view.goThrough(point);
    this.changed();
  }

  scroll(steps: number): void {
    this.active.scroll(steps);
  }

  setWindow(window: Window): void {
    this.window = window;
    for (const view of this.views) view.applyWindow();
  }

  reset(): void {
    for (const view of this.views) view.resetView();
    this.setWindow(this.app.active.image?.headerLook.window ?? this.window);
  }

  resize(): void {
    for (const view of this.views) view.resize();
  }

  redraw(): void {
    for (const view of this.views) view.draw();
  }

  private changed(): void {
    for (const view of this.views) view.refresh();
  }

  /** The other two planes, whose lines cross in a view. */
  others(view: View): View[] {
    return this.views.filter((one) => one !== view);
  }
}

class Refusal extends Error {}

async function volumeFrames(app: App, series: Series): Promise<Frame[]> {
  const { say } = app;
  if (!MODALITIES.has(series.modality)) throw new Refusal(say("mprModality"));
  const need = Math.round(app.prefetch.megabytesOf(series) * 2);
  if (!series.isSmall || need > app.cacheMb * 2) throw new Refusal(say("mprTooLarge", { need, have: app.cacheMb * 2 }));
  const frames = await series.allHeaders();
  if (!isVolume(frames)) throw new Refusal(say("mprNotVolume"));
  return frames;
}

/** Whether images lie parallel, alike, and evenly one behind the other. */
export function isVolume(frames: readonly Frame[]): boolean {
  const stack = stackOf(frames);
  const first = frames[0];
  if (!stack || !first || frames.length < 3) return false;
  const isAlike = frames.every(
    (frame) => frame.rows === first.rows && frame.columns === first.columns && frame.samplesPerPixel === 1 &&
      Math.abs(frame.spacing.row_mm - first.spacing.row_mm) < 1e-3,
  );
  const positions = [...stack.positions_mm].sort((a, b) => a - b);
  const gaps = positions.slice(1).map((position, i) => position - positions[i]!);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  return isAlike && mean > 1e-3 && gaps.every((gap) => Math.abs(gap - mean) <= UNEVEN * mean);
}

async function loadAll(app: App, series: Series): Promise<void> {
  const count = series.slots.length;
  let [loaded, broken] = [0, 0];
  await Promise.all(
    series.slots.map(async (_, index) => {
      await app.store.load(series.imageId(index), index).catch(() => (broken += 1));
      loaded += 1;
      app.shell.note(app.say("mprLoading", { loaded, count }));
    }),
  );
  if (broken > 0) throw new Refusal(app.say("mprIncomplete", { count: broken }));
}

/** One plane. */
class View {
  readonly id = newId();
  readonly root = element("div", "crv-pane", { role: "group" });
  private readonly surface = element("div", "crv-surface");
  private readonly lines = svg("svg", { class: "crv-lines" });
  private readonly furniture: Furniture;
  private readonly viewport: PlanarViewport;
  private readonly displaySet: string;
  private readonly soon: () => void;

  constructor(
    private readonly mpr: Mpr,
    readonly plane: Plane,
  ) {
    const above = element("div", "crv-above");
    this.root.append(this.surface, above);
    // Cornerstone would make it relative, and flat.
    this.surface.style.position = "absolute";
    above.append(this.lines);
    mpr.grid.append(this.root);
    this.furniture = new Furniture(above);
    const { engine } = mpr.app;
    engine.enableElement({
      viewportId: this.id,
      element: this.surface,
      type: Enums.ViewportType.PLANAR_NEXT,
      defaultOptions: { orientation: plane.orientation },
    });
    this.viewport = engine.getViewport(this.id) as unknown as PlanarViewport;
    this.displaySet = `${this.id}:${mpr.volumeId}`;
    this.soon = oncePerFrame(() => this.viewport.render());
    this.surface.addEventListener(Enums.Events.IMAGE_RENDERED, () => this.draw());
    this.listen();
  }

  async open(): Promise<void> {
    const { series, volumeId } = this.mpr;
    const imageIds = series.slots.map((_, i) => series.imageId(i));
    utilities.genericViewportDisplaySetMetadataProvider.add(this.displaySet, { imageIds, volumeId, kind: "planar" });
    await this.viewport.setDisplaySets({
      displaySetId: this.displaySet,
      options: { renderBackend: Enums.RenderBackends.CPU, orientation: this.plane.orientation as never },
    });
    this.applyWindow();
    this.goThrough(this.mpr.point);
    this.refresh();
  }

  close(): void {
    this.mpr.app.engine.disableElement(this.id);
    utilities.genericViewportDisplaySetMetadataProvider.remove(this.displaySet);
  }

  applyWindow(): void {
    const { center, width } = this.mpr.window;
    const voiRange = utilities.windowLevel.toLowHighRange(width, center);
    this.viewport.setDisplaySetPresentation(this.displaySet, { voiRange });
    this.refresh();
  }

  goThrough(point: Vector): void {
    this.viewport.setViewState({ slice: { kind: "volumePoint", sliceWorldPoint: point } });
  }

  scroll(steps: number): void {
    const last = this.viewport.getNumberOfSlices() - 1;
    const index = Math.min(last, Math.max(0, this.viewport.getSliceIndex() + Math.max(-last, Math.min(last, steps))));
    void this.viewport.setImageIdIndex(index).then(() => {
      const middle = this.viewport.canvasToWorld([this.surface.clientWidth / 2, this.surface.clientHeight / 2]) as Vector;
      const { normal } = this.basis();
      const off = dot(minus(middle, this.mpr.point), normal);
      this.mpr.moveTo(this.mpr.point.map((part, axis) => part + normal[axis]! * off) as Vector);
    });
  }

  resetView(): void {
    this.viewport.resetViewState({ resetOrientation: false });
    this.goThrough(this.mpr.point);
    this.refresh();
  }

  resize(): void {
    this.viewport.resize();
    this.refresh();
  }

  refresh(): void {
    this.soon();
  }

  /** Directions of the view: along its rows, along its columns, away from the eye. */
  basis(): { right: Vector; down: Vector; normal: Vector } {
    const at = (x: number, y: number) => this.viewport.canvasToWorld([x, y]) as Vector;
    const right = unit(minus(at(100, 0), at(0, 0)));
    const down = unit(minus(at(0, 100), at(0, 0)));
    const normal: Vector = [
      right[1] * down[2] - right[2] * down[1],
      right[2] * down[0] - right[0] * down[2],
      right[0] * down[1] - right[1] * down[0],
    ];
    return { right, down, normal };
  }

  private at(world: Vector): Point {
    return this.viewport.worldToCanvas(world) as Point;
  }

  draw(): void {
    const { app, point, frames, window, series } = this.mpr;
    const { right, down, normal } = this.basis();
    const first = frames[0]!;
    const frame: Frame = {
      ...first,
      rowDirection: right,
      columnDirection: down,
      spacing: { row_mm: 1, column_mm: 1, calibration: "patient" },
      laterality: "",
      viewPosition: "",
    };
    const look = { window, voiFunction: "LINEAR", table: undefined, isInverse: false };
    this.furniture.show(
      {
        frame, look, map: this.map(right, down), zoom: this.viewport.getZoom(), index: this.viewport.getSliceIndex(),
        count: this.viewport.getNumberOfSlices(), isInverted: false, rate: undefined, title: app.say(this.plane.name),
      },
      app.say,
    );
    this.lines.replaceChildren(...this.crossLines(point), ...this.overlayLines(series, normal, point));
    this.root.setAttribute("aria-label", app.say(this.plane.name));
  }

  /** From millimetres along the view to its points. */
  private map(right: Vector, down: Vector): Affine {
    const { point } = this.mpr;
    const step = (direction: Vector) => this.at(point.map((part, axis) => part + direction[axis]! * 100) as Vector);
    return affineOf(this.at(point), step(right), step(down), 100);
  }

  private crossLines(point: Vector): SVGElement[] {
    const [x, y] = this.at(point);
    const { right, down } = this.basis();
    return this.mpr.others(this).map((other) => {
      const { normal } = other.basis();
      // The other plane is seen as a line across the direction in which it looks.
      const isUpright = Math.abs(dot(normal, right)) > Math.abs(dot(normal, down));
      const ends = isUpright ? { x1: x, x2: x, y1: 0, y2: "100%" } : { x1: 0, x2: "100%", y1: y, y2: y };
      return svg("line", { ...ends, stroke: other.plane.colour, "stroke-width": 1, "stroke-opacity": 0.7 });
    });
  }

  /** Boxes and outlines where this plane cuts them. */
  private overlayLines(series: Series, normal: Vector, point: Vector): SVGElement[] {
    const { book } = this.mpr.app;
    return series.slots.flatMap((slot, index) => {
      const frame = series.known(index);
      if (!frame) return [];
      return book.on(slot.sopInstanceUid, slot.frame).flatMap((overlay) =>
        cutsThrough(overlay, (pixel) => worldOf(frame, pixel), frame, { normal, point }).map((line) =>
          svg("polyline", {
            points: line.map((world) => this.at(world).join(",")).join(" "),
            fill: "none",
            stroke: colourOfOverlay(overlay),
            "stroke-width": 2,
            "stroke-opacity": book.opacity,
            "data-overlay": overlay.id,
          }),
        ),
      );
    });
  }

  private listen(): void {
    const { surface } = this;
    let button = -1;
    const pick = (event: PointerEvent) => {
      const bounds = surface.getBoundingClientRect();
      this.mpr.moveTo(this.viewport.canvasToWorld([event.clientX - bounds.left, event.clientY - bounds.top]) as Vector);
    };
    surface.addEventListener("pointerdown", (event) => {
      this.mpr.activate(this);
      button = event.button;
      surface.setPointerCapture(event.pointerId);
      if (button === 0 && this.mpr.app.toolbox.tool !== "zoom" && this.mpr.app.toolbox.tool !== "pan") pick(event);
    });
    surface.addEventListener("pointermove", (event) => {
      if (button < 0) return;
      const { tool } = this.mpr.app.toolbox;
      if (button === 1 || (button === 0 && tool === "pan")) this.panBy(event.movementX, event.movementY);
      else if (button === 2 || (button === 0 && tool === "zoom")) this.zoomBy(1.01 ** -event.movementY);
      else if (event.shiftKey) this.changeWindow(event.movementX, event.movementY);
      else pick(event);
    });
    surface.addEventListener("pointerup", () => (button = -1));
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    surface.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.mpr.activate(this);
        if (event.ctrlKey) this.zoomBy(1.002 ** -event.deltaY);
        else this.scroll(Math.sign(event.deltaY));
      },
      { passive: false },
    );
  }

  private panBy(x: number, y: number): void {
    const pan = this.viewport.getPan();
    this.viewport.setPan([pan[0] + x, pan[1] + y]);
    this.refresh();
  }

  private zoomBy(factor: number): void {
    this.viewport.setZoom(Math.min(20, Math.max(0.2, this.viewport.getZoom() * factor)));
    this.refresh();
  }

  private changeWindow(x: number, y: number): void {
    const { width, center } = this.mpr.window;
    const step = Math.max(1, width) / 300;
    this.mpr.setWindow({ width: Math.max(1, width + x * step), center: center + y * step, label: "" });
  }
}
