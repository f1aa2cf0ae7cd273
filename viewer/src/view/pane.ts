/** One image on the screen: Cornerstone's viewport, overlays above it, texts around it. */

import { Enums, type RenderingEngine, type PlanarViewport, utilities } from "@cornerstonejs/core";
import type { Frame, Window } from "../dicom/frame";
import { type Affine, type Point, affineOf, apply, determinant } from "../overlay/affine";
import { OverlayLayer, type Sheet } from "../overlay/layer";
import { type FrameImage, paintedSheet, setView } from "../pixels/image";
import type { Look } from "../pixels/voi";
import { plane, reasonOf, type FrameStore } from "../study/store";
import type { Series } from "../study/series";
import type { Say } from "../text/catalogue";
import type { Overlay, PointPx } from "../types";
import { element, oncePerFrame } from "./dom";
import { newId } from "./engine";
import { FaultTile } from "./fault";
import { Furniture } from "./furniture";

/** What a pane asks of the viewer around it. */
export interface PaneHost {
  readonly store: FrameStore;
  readonly say: Say;
  overlaysOn(sopInstanceUid: string, frame: number): Overlay[];
  sheetsOn(pane: Pane, frame: Frame): Sheet[];
  readonly overlayOpacity: number;
  readonly highlighted: string | undefined;
  /** An image is on the screen. */
  shown(pane: Pane): void;
  faulty(pane: Pane, index: number, reason: string): void;
  /** Another image is wanted than before. */
  wanted(pane: Pane): void;
}

export class Pane {
  readonly id = newId();
  readonly root = element("div", "crv-pane", { role: "group" });
  readonly surface = element("div", "crv-surface");
  readonly viewport: PlanarViewport;
  series: Series | undefined;
  /** On the screen, or to be there soon. */
  index = 0;
  image: FrameImage | undefined;
  /** Chosen by the doctor; undefined: as the header says. */
  window: Window | undefined;
  isInverted = false;
  rate: number | undefined;
  /** Called after each drawing, by what stands above the image. */
  readonly onDrawn = new Set<() => void>();
  private readonly layer: OverlayLayer;
  private readonly furniture: Furniture;
  private readonly fault: FaultTile;
  private readonly spinner = element("div", "crv-spinner", { "aria-hidden": "true" });
  private spinnerTimer = 0;
  private displaySet = "";
  private isMounted = false;
  private generation = 0;
  readonly redraw: () => void;

  constructor(
    private readonly engine: RenderingEngine,
    readonly host: PaneHost,
    parent: HTMLElement,
  ) {
    const above = element("div", "crv-above");
    this.root.append(this.surface, above, this.spinner);
    // Cornerstone would make it relative, and flat.
    this.surface.style.position = "absolute";
    this.spinner.hidden = true;
    parent.append(this.root);
    this.layer = new OverlayLayer(above);
    this.furniture = new Furniture(above);
    this.fault = new FaultTile(this.root, () => this.retry());
    this.engine.enableElement({
      viewportId: this.id,
      element: this.surface,
      type: Enums.ViewportType.PLANAR_NEXT,
      defaultOptions: { orientation: Enums.OrientationAxis.ACQUISITION },
    });
    this.viewport = this.engine.getViewport(this.id) as unknown as PlanarViewport;
    this.surface.addEventListener(Enums.Events.IMAGE_RENDERED, () => this.drawAbove());
    this.redraw = oncePerFrame(() => this.viewport.render());
  }

  get count(): number {
    return this.series?.slots.length ?? 0;
  }

  get frame(): Frame | undefined {
    return this.image?.frame;
  }

  /** Show a series from one of its frames on. */
  async open(series: Series, index: number): Promise<void> {
    this.series = series;
    this.image = undefined;
    this.isMounted = false;
    this.window = undefined;
    this.isInverted = false;
    this.rate = undefined;
    this.layer.clear();
    this.furniture.clear();
    await this.show(index);
  }

  /** Go on in the whole series of which one image is shown; the look stays. */
  async extend(series: Series, index: number): Promise<void> {
    this.series = series;
    this.isMounted = false;
    await this.show(index);
  }

  /** Show a frame; a later call overtakes an earlier one. */
  async show(index: number): Promise<void> {
    if (!this.series || this.count === 0) return;
    this.index = Math.min(this.count - 1, Math.max(0, Math.round(index)));
    const generation = ++this.generation;
    this.host.wanted(this);
    const imageId = this.series.imageId(this.index);
    const kept = this.host.store.image(imageId);
    if (kept) {
      await this.display(kept);
      return;
    }
    const known = this.host.store.fault(imageId);
    if (known !== undefined) return this.showFault(known);
    this.wait();
    try {
      const image = await this.host.store.load(imageId, -1e6);
      if (generation === this.generation) await this.display(image);
    } catch (error) {
      if (generation === this.generation && !isDropped(error)) this.showFault(reasonOf(error));
    }
  }

  /** Show the next frame, the first after the last; false where it is not here yet. */
  advance(): boolean {
    if (!this.series) return false;
    const next = (this.index + 1) % this.count;
    const imageId = this.series.imageId(next);
    if (!this.host.store.isLoaded(imageId) && !this.host.store.fault(imageId)) {
      this.host.store.load(imageId, -1e5).catch(() => undefined);
      return false;
    }
    void this.show(next);
    return true;
  }

  private retry(): void {
    if (this.series) this.host.store.forgive(this.series.imageId(this.index));
    void this.show(this.index);
  }

  private async display(image: FrameImage): Promise<void> {
    this.rest();
    this.fault.hide();
    const isFirst = !this.isMounted;
    this.image = image;
    this.applyLook();
    if (isFirst) await this.mount();
    else await this.viewport.setImageIdIndex(this.index);
  }

  /** Give Cornerstone the series; later images are chosen by their place in it. */
  private async mount(): Promise<void> {
    const series = this.series!;
    this.isMounted = true;
    const imageIds = this.host.store.register(series);
    utilities.genericViewportDisplaySetMetadataProvider.remove(this.displaySet);
    this.displaySet = newId();
    utilities.genericViewportDisplaySetMetadataProvider.add(this.displaySet, {
      imageIds,
      initialImageIdIndex: this.index,
      kind: "planar",
    });
    await this.viewport.setDisplaySets({
      displaySetId: this.displaySet,
      options: { renderBackend: Enums.RenderBackends.CPU, orientation: Enums.OrientationAxis.ACQUISITION },
    });
    if (this.series !== series) return;
    this.resetView();
    // The viewport keeps its place from the series before, and a later call may have overtaken this one.
    await this.viewport.setImageIdIndex(this.index);
  }

  private showFault(reason: string): void {
    this.rest();
    this.image = undefined;
    this.layer.clear();
    this.furniture.clear();
    const slot = this.series!.slots[this.index]!;
    this.fault.show({ index: this.index, count: this.count, frame: slot.frame, reason }, this.host.say);
    this.host.faulty(this, this.index, reason);
  }

  private wait(): void {
    clearTimeout(this.spinnerTimer);
    this.spinnerTimer = window.setTimeout(() => (this.spinner.hidden = false), 150);
  }

  private rest(): void {
    clearTimeout(this.spinnerTimer);
    this.spinner.hidden = true;
  }

  /** How the image on the screen is shown. */
  get look(): Look | undefined {
    const header = this.image?.headerLook;
    if (!header) return undefined;
    const isInverse = header.isInverse !== this.isInverted;
    return this.window ? { ...header, window: this.window, table: undefined, isInverse } : { ...header, isInverse };
  }

  private applyLook(): void {
    const { look } = this;
    if (look) setView(this.cpuCanvas, { look, map: (frame) => this.mapOf(frame) });
  }

  get cpuCanvas(): HTMLCanvasElement {
    return this.surface.querySelector<HTMLCanvasElement>(":scope > canvas")!;
  }

  setWindow(window: Window | undefined): void {
    this.window = window;
    this.applyLook();
    this.redraw();
  }

  /** The window on the screen, also where the header's own is shown. */
  get shownWindow(): Window {
    return this.window ?? this.image?.headerLook.window ?? { center: 0, width: 1, label: "" };
  }

  toggleInvert(): void {
    this.isInverted = !this.isInverted;
    this.applyLook();
    this.redraw();
  }

  /** Mirror what is on the screen. Cornerstone turns first and mirrors then. */
  flip(axis: "horizontal" | "vertical"): void {
    const { flipHorizontal = false, flipVertical = false } = this.viewport.getViewState();
    this.viewport.setViewState(
      axis === "horizontal" ? { flipHorizontal: !flipHorizontal } : { flipVertical: !flipVertical },
    );
    this.redraw();
  }

  /** Turn what is on the screen by 90 degrees, clockwise; in a mirror that is the other way round. */
  rotate(): void {
    const { flipHorizontal = false, flipVertical = false, rotation = 0 } = this.viewport.getViewState();
    const step = flipHorizontal === flipVertical ? 90 : 270;
    this.viewport.setViewState({ rotation: (rotation + step) % 360 });
    this.redraw();
  }

  get zoom(): number {
    return this.viewport.getZoom();
  }

  zoomBy(factor: number, at?: Point): void {
    const zoom = Math.min(40, Math.max(0.1, this.zoom * factor));
    this.viewport.setZoom(zoom, at ?? [this.surface.clientWidth / 2, this.surface.clientHeight / 2]);
    this.redraw();
  }

  panBy(x: number, y: number): void {
    const pan = this.viewport.getPan();
    this.viewport.setPan([pan[0] + x, pan[1] + y]);
    this.redraw();
  }

  resetView(): void {
    this.viewport.resetViewState();
    this.redraw();
  }

  reset(): void {
    this.isInverted = false;
    this.setWindow(undefined);
    this.resetView();
  }

  /** What is on the screen, a pixel for a pixel of the stored image. */
  get picture(): HTMLCanvasElement | undefined {
    return paintedSheet(this.cpuCanvas);
  }

  /** From pixels of the stored image, origin at the outer corner of the first, to the pane. */
  imageMap(): Affine | undefined {
    const { frame } = this;
    return frame && this.mapOf(frame);
  }

  mapOf(frame: Frame): Affine {
    const at = (x: number, y: number): Point => this.viewport.worldToCanvas(worldOf(frame, [x, y])) as Point;
    const far = Math.max(frame.columns, frame.rows);
    return affineOf(at(0, 0), at(far, 0), at(0, far), far);
  }

  /** A point of the screen, in pixels of the stored image. */
  pixelAt(clientX: number, clientY: number): PointPx | undefined {
    const map = this.imageMap();
    if (!map) return undefined;
    const bounds = this.surface.getBoundingClientRect();
    const size = determinant(map);
    const [x, y] = [clientX - bounds.left - map.e, clientY - bounds.top - map.f];
    return [(map.d * x - map.c * y) / size, (map.a * y - map.b * x) / size];
  }

  /** Where a pixel of the stored image stands in the pane. */
  pointOf(pixel: PointPx): Point | undefined {
    const map = this.imageMap();
    return map && apply(map, pixel);
  }

  /** Draw overlays and texts anew, without the image. */
  drawAbove(): void {
    const { image, look } = this;
    const map = this.imageMap();
    if (!image || !look || !map) return;
    const { frame } = image;
    this.layer.draw({
      overlays: this.host.overlaysOn(frame.sopInstanceUid, frame.frame),
      sheets: this.host.sheetsOn(this, frame),
      map,
      opacity: this.host.overlayOpacity,
      highlighted: this.host.highlighted,
    });
    const { index, count, isInverted, zoom, rate } = this;
    this.furniture.show({ frame, index, count, look, isInverted, zoom, map, rate }, this.host.say);
    for (const call of this.onDrawn) call();
    this.host.shown(this);
  }

  resize(): void {
    this.viewport.resize();
    this.redraw();
  }

  dispose(): void {
    this.generation += 1;
    this.rest();
    this.engine.disableElement(this.id);
    this.root.remove();
  }
}

/** Where a pixel of the stored image lies in the room of the patient, mm. */
export function worldOf(frame: Frame, [x, y]: PointPx): [number, number, number] {
  const { imagePositionPatient: origin, rowCosines: row, columnCosines: column } = plane(frame);
  const across = (x - 0.5) * frame.spacing.column_mm;
  const down = (y - 0.5) * frame.spacing.row_mm;
  return [0, 1, 2].map((axis) => origin[axis]! + row[axis]! * across + column[axis]! * down) as [number, number, number];
}

/** The pixel of the stored image at a place in the room of the patient. */
export function pixelOfWorld(frame: Frame, world: readonly number[]): PointPx {
  const { imagePositionPatient: origin, rowCosines: row, columnCosines: column } = plane(frame);
  const off = [0, 1, 2].map((axis) => world[axis]! - origin[axis]!);
  const along = (cosines: readonly number[]) => off.reduce((sum, part, axis) => sum + part * cosines[axis]!, 0);
  return [along(row) / frame.spacing.column_mm + 0.5, along(column) / frame.spacing.row_mm + 0.5];
}

function isDropped(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
