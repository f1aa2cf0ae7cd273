/** Which frames are fetched next, and which are let go: those around the images on the screen are kept. */

import type { FrameStore } from "./store";
import type { Series } from "./series";

/** A place on the screen that walks a series. */
export interface Walker {
  series: Series | undefined;
  index: number;
}

export interface Progress {
  series: Series;
  loaded: number;
  faulty: number;
  count: number;
  isWhole: boolean;
}

const UNKNOWN_FRAME_BYTES = 512 * 512 * 2;

export class Prefetch {
  private readonly settled = new Map<Series, Set<string>>();
  private readonly told = new Set<Series>();
  private timer = 0;
  private isPinned = false;

  constructor(
    private readonly store: FrameStore,
    private readonly budgetBytes: number,
    private readonly walkers: () => Walker[],
    private readonly onProgress: (progress: Progress) => void,
  ) {
    store.onSettled = (imageId, series) => this.note(imageId, series);
  }

  /** Keep every frame, e.g. while a volume is built of them. */
  pin(on: boolean): void {
    this.isPinned = on;
  }

  /** Go on with a series in place of one that was a part of it. */
  replace(part: Series, whole: Series): void {
    const settled = this.settled.get(part);
    if (settled && part !== whole) this.settled.set(whole, new Set([...settled, ...(this.settled.get(whole) ?? [])]));
    this.settled.delete(part);
  }

  /** How many MB the frames of a series take, by those that are here. */
  megabytesOf(series: Series): number {
    return (this.frameBytes(series) * series.slots.length) / 1048576;
  }

  /** Think again about what is wanted, soon. */
  touch(): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.plan();
    }, 20);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  progressOf(series: Series): Progress {
    const settled = this.settled.get(series) ?? new Set();
    let faulty = 0;
    for (const imageId of settled) if (this.store.fault(imageId)) faulty += 1;
    const count = series.slots.length;
    return { series, loaded: settled.size - faulty, faulty, count, isWhole: count > 0 && settled.size >= count };
  }

  private plan(): void {
    const wanted = this.wanted();
    this.store.prefer((imageId) => wanted.get(imageId));
    for (const [imageId, distance] of wanted) {
      if (!this.store.isLoaded(imageId) && !this.store.fault(imageId)) this.store.load(imageId, distance).catch(() => undefined);
    }
  }

  /** Frames around each walker that the budget holds, with their distance: the next before the last. */
  private wanted(): Map<string, number> {
    const wanted = new Map<string, number>();
    const walkers = this.walkers().filter((walker) => walker.series?.slots.length);
    for (const { series, index } of walkers) {
      const most = Math.max(8, Math.floor((this.budgetBytes * 0.8) / walkers.length / this.frameBytes(series!)));
      for (const [at, distance] of around(index, series!.slots.length, most)) {
        const imageId = series!.imageId(at);
        wanted.set(imageId, Math.min(distance, wanted.get(imageId) ?? Infinity));
      }
    }
    return wanted;
  }

  private frameBytes(series: Series): number {
    for (const imageId of this.settled.get(series) ?? []) {
      const image = this.store.image(imageId);
      if (image) return image.sizeInBytes;
    }
    return UNKNOWN_FRAME_BYTES;
  }

  private note(imageId: string, series: Series): void {
    const settled = this.settled.get(series) ?? new Set();
    this.settled.set(series, settled.add(imageId));
    if (!this.isPinned) this.letGo();
    if (series.isPartial) return;
    const progress = this.progressOf(series);
    if (this.told.has(series)) return;
    if (progress.isWhole) this.told.add(series);
    this.onProgress(progress);
  }

  /** Drop what lies farthest from the screen until the rest fits the budget. */
  private letGo(): void {
    if (this.store.bytes <= this.budgetBytes) return;
    const wanted = this.wanted();
    const kept = [...this.store.loaded()].sort((a, b) => (wanted.get(b) ?? Infinity) - (wanted.get(a) ?? Infinity));
    for (const imageId of kept) {
      if (this.store.bytes <= this.budgetBytes * 0.95) return;
      this.store.drop(imageId);
    }
  }
}

/** Places by their distance from `index`, forward first; backward ones count half as much again. */
export function* around(index: number, count: number, most: number): Generator<[number, number]> {
  let given = 0;
  let [forward, backward] = [index, index - 1];
  while (given < most && (forward < count || backward >= 0)) {
    const ahead = forward - index;
    const behind = (index - backward) * 1.5;
    if (forward < count && (ahead <= behind || backward < 0)) yield [forward++, ahead];
    else yield [backward--, behind];
    given += 1;
  }
}
