/** Three planes through a volume, by Cornerstone's CPU sampling, tied by one point. */

import { cache, volumeLoader } from "@cornerstonejs/core";
import type { App } from "../app";
import type { Frame, Window } from "../dicom/frame";
import type { Vector } from "../dicom/vectors";
import { SegmentVolume } from "../overlay/segment_volume";
import { segmentSlices } from "../overlay/segments";
import type { Series } from "../study/series";
import { reasonOf } from "../study/store";
import type { Overlay } from "../types";
import { element } from "./dom";
import { stackOf } from "./link";
import { PLANES, PlaneView } from "./plane_view";

const MODALITIES = new Set(["CT", "MR", "PT"]);

/** Slices may lie this far from even spacing, as a share of it, before a volume would mislead. */
const UNEVEN = 0.1;

export class Mpr {
  private readonly views: PlaneView[];
  /** By object and segment; null while on the way, or where they form no volume. */
  private readonly volumes = new Map<string, SegmentVolume | null>();
  private active: PlaneView;
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
    this.views = PLANES.map((plane) => new PlaneView(this, plane));
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

  activate(view: PlaneView): void {
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

  /** Segments that are switched on, as volumes; those not here yet are fetched and drawn when they come. */
  segments(): { overlay: Overlay; volume: SegmentVolume }[] {
    const { app } = this;
    const wanted = app.book.all.filter((one) => one.kind === "seg" && app.book.isOn && app.book.isVisible(one));
    return wanted.flatMap((overlay) => {
      const { sopInstanceUid, segmentNumber } = overlay.seg!;
      const key = `${sopInstanceUid}/${segmentNumber}`;
      const known = this.volumes.get(key);
      if (known === undefined) this.fetchSegment(key, overlay);
      return known ? [{ overlay, volume: known }] : [];
    });
  }

  private fetchSegment(key: string, overlay: Overlay): void {
    this.volumes.set(key, null);
    const { app } = this;
    segmentSlices(overlay, this.series.studyUid, app.store.dicomweb).then(
      (slices) => {
        this.volumes.set(key, SegmentVolume.of(slices) ?? null);
        this.redraw();
      },
      (error: unknown) => app.note(app.say("segFault", { reason: reasonOf(error) })),
    );
  }

  /** The other two planes, whose lines cross in a view. */
  others(view: PlaneView): PlaneView[] {
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
