/** Plays frames at the rate of the header; a frame that is not here yet is waited for. */

import type { Pane } from "./pane";

/** For images that say no rate. A choice of ours: slow enough to follow, fast enough to see movement. */
const DEFAULT_FRAMES_PER_S = 12;

export class Cine {
  private handle = 0;
  private pane: Pane | undefined;

  constructor(private readonly changed: () => void) {}

  get isPlaying(): boolean {
    return this.pane !== undefined;
  }

  toggle(pane: Pane): void {
    if (this.isPlaying) this.stop();
    else this.start(pane);
  }

  stop(): void {
    cancelAnimationFrame(this.handle);
    if (!this.pane) return;
    this.pane.rate = undefined;
    this.pane.drawAbove();
    this.pane = undefined;
    this.changed();
  }

  private start(pane: Pane): void {
    if (pane.count < 2) return;
    this.pane = pane;
    const interval_ms = pane.frame?.frameTime_ms ?? 1000 / DEFAULT_FRAMES_PER_S;
    pane.rate = 1000 / interval_ms;
    let due = performance.now() + interval_ms;
    const tick = (now: number) => {
      if (this.pane !== pane) return;
      if (now >= due && pane.advance()) due = Math.max(due + interval_ms, now);
      this.handle = requestAnimationFrame(tick);
    };
    this.handle = requestAnimationFrame(tick);
    this.changed();
  }
}
