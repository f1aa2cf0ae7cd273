/** One of the planes through a volume. */

import { Enums, type PlanarViewport, utilities } from "@cornerstonejs/core";
import { type Frame, normalOf } from "../dicom/frame";
import { type Vector, dot, minus, norm, unit } from "../dicom/vectors";
import { type Affine, type Point, affineOf } from "../overlay/affine";
import { cutsThrough } from "../overlay/cuts";
import { OverlayLayer, type Sheet, colourOfOverlay } from "../overlay/layer";
import type { Series } from "../study/series";
import type { TextKey } from "../text/catalogue";
import type { Overlay } from "../types";
import { element, oncePerFrame, svg } from "./dom";
import { newId } from "./engine";
import { Furniture } from "./furniture";
import type { Mpr } from "./mpr";
import { worldOf } from "./pane";

interface Plane {
  orientation: Enums.OrientationAxis;
  name: TextKey;
  colour: string;
}

export const PLANES: Plane[] = [
  { orientation: Enums.OrientationAxis.AXIAL, name: "mprAxial", colour: "#ff6b6b" },
  { orientation: Enums.OrientationAxis.CORONAL, name: "mprCoronal", colour: "#7ae582" },
  { orientation: Enums.OrientationAxis.SAGITTAL, name: "mprSagittal", colour: "#4cc9f0" },
];

/** Segments are cut into pictures of this size at most, for each pixel is looked up. */
const MOST_CUT_PX = 400;

/** One plane through a volume, with what it cuts. */
export class PlaneView {
  readonly id = newId();
  readonly root = element("div", "crv-pane", { role: "group" });
  private readonly surface = element("div", "crv-surface");
  private readonly lines = svg("svg", { class: "crv-lines" });
  private readonly layer: OverlayLayer;
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
    this.layer = new OverlayLayer(above);
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
    this.layer.draw({
      overlays: this.heatMaps(normal, point),
      sheets: this.segmentSheets(right, down),
      map: this.mapOf(this.frameAt(point) ?? first),
      opacity: app.book.opacity,
      highlighted: undefined,
    });
    this.lines.replaceChildren(...this.crossLines(point), ...this.overlayLines(series, normal, point));
    this.root.setAttribute("aria-label", app.say(this.plane.name));
  }

  /** From millimetres along the view to its points. */
  private map(right: Vector, down: Vector): Affine {
    const { point } = this.mpr;
    const step = (direction: Vector) => this.at(point.map((part, axis) => part + direction[axis]! * 100) as Vector);
    return affineOf(this.at(point), step(right), step(down), 100);
  }

  private mapOf(frame: Frame): Affine {
    const at = (x: number, y: number) => this.at(worldOf(frame, [x, y]));
    const far = Math.max(frame.columns, frame.rows);
    return affineOf(at(0, 0), at(far, 0), at(0, far), far);
  }

  /** The image through which a point goes, within half a slice. */
  private frameAt(point: Vector): Frame | undefined {
    return this.mpr.frames.find((frame) => {
      const own = normalOf(frame)!;
      return Math.abs(dot(minus(frame.position_mm!, point), own)) <= (frame.sliceThickness_mm ?? 1) / 2 + 1e-6;
    });
  }

  /** Heat maps belong to one image: they are shown where the plane is that image's own. */
  private heatMaps(normal: Vector, point: Vector): Overlay[] {
    const frame = this.frameAt(point);
    if (!frame || Math.abs(dot(normalOf(frame)!, normal)) < 0.99) return [];
    return this.mpr.app.book.on(frame.sopInstanceUid, frame.frame).filter(({ kind }) => kind === "heat-map");
  }

  private segmentSheets(right: Vector, down: Vector): Sheet[] {
    const segments = this.mpr.segments();
    if (segments.length === 0) return [];
    const { clientWidth, clientHeight } = this.surface;
    const origin = this.viewport.canvasToWorld([0, 0]) as Vector;
    const wide_mm = norm(minus(this.viewport.canvasToWorld([clientWidth, 0]) as Vector, origin));
    const step = Math.max(1, Math.max(clientWidth, clientHeight) / MOST_CUT_PX);
    const [columns, rows] = [Math.ceil(clientWidth / step), Math.ceil(clientHeight / step)];
    const window = { origin, right, down, step_mm: (wide_mm / clientWidth) * step, columns, rows };
    const map = { a: step, b: 0, c: 0, d: step, e: 0, f: 0 };
    return segments.map(({ overlay, volume }) => volume.cut(overlay.id, window, colourOfOverlay(overlay), map));
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
