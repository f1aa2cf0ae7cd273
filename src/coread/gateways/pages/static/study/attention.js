// How long the doctor was really at a finding, and what of it was on the screen.

const IDLE_MS = 30000;
const TICK_MS = 500;

export class Attention {
  constructor() {
    this.seconds = new Map();
    this.shown = new Map();
    this.current = "";
    this.used = Date.now();
    for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
      window.addEventListener(kind, () => { this.used = Date.now(); }, { passive: true, capture: true });
    }
    setInterval(() => this.tick(), TICK_MS);
  }

  tick() {
    const isActive = document.visibilityState === "visible" && document.hasFocus() && Date.now() - this.used < IDLE_MS;
    if (isActive && this.current) this.seconds.set(this.current, this.activeSeconds(this.current) + TICK_MS / 1000);
  }

  /** Say which finding is being looked at. */
  turnTo(uid) { this.current = uid; }

  /** Note that a part of a finding is on the screen. */
  note(uid, ...parts) {
    const held = this.shown.get(uid) ?? new Set();
    for (const part of parts) held.add(part);
    this.shown.set(uid, held);
  }

  activeSeconds(uid) { return this.seconds.get(uid) ?? 0; }

  shownParts(uid) { return [...(this.shown.get(uid) ?? [])].sort(); }

  /** What goes with a decision. */
  of(uid) {
    return { active_s: Math.round(this.activeSeconds(uid) * 10) / 10, shown: this.shownParts(uid) };
  }
}
