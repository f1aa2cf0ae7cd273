/** A magnifying glass that follows the pointer. */

import type { Pane } from "../view/pane";
import { element } from "../view/dom";

const TIMES = 3;

export class Lens {
  private readonly canvas = element("canvas");
  private readonly glass = element("div", "crv-lens", { "aria-hidden": "true" }, this.canvas);
  private readonly abort = new AbortController();
  private readonly redraw = () => this.draw();
  private at: [number, number] | undefined;

  constructor(private readonly pane: Pane) {
    this.glass.hidden = true;
    pane.root.append(this.glass);
    pane.onDrawn.add(this.redraw);
    const { signal } = this.abort;
    pane.surface.addEventListener("pointermove", (event) => this.follow(event), { signal });
    pane.surface.addEventListener("pointerleave", () => (this.glass.hidden = true), { signal });
    const { clientWidth, clientHeight } = pane.surface;
    this.show(clientWidth / 2, clientHeight / 2);
  }

  /** By the keyboard. */
  move(x: number, y: number): void {
    if (this.at) this.show(this.at[0] + x, this.at[1] + y);
  }

  dispose(): void {
    this.abort.abort();
    this.pane.onDrawn.delete(this.redraw);
    this.glass.remove();
  }

  private follow(event: PointerEvent): void {
    const bounds = this.pane.surface.getBoundingClientRect();
    this.show(event.clientX - bounds.left, event.clientY - bounds.top);
  }

  private show(x: number, y: number): void {
    this.at = [x, y];
    this.glass.style.left = `${x}px`;
    this.glass.style.top = `${y}px`;
    this.glass.hidden = false;
    this.draw();
  }

  private draw(): void {
    const map = this.pane.imageMap();
    const sheet = this.pane.picture;
    if (!this.at || !map || !sheet || this.glass.hidden) return;
    const ratio = window.devicePixelRatio || 1;
    const size = 216;
    this.canvas.width = this.canvas.height = size * ratio;
    const context = this.canvas.getContext("2d")!;
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const k = TIMES * ratio;
    const [x, y] = [size * ratio / 2 - this.at[0] * k, size * ratio / 2 - this.at[1] * k];
    context.setTransform(map.a * k, map.b * k, map.c * k, map.d * k, map.e * k + x, map.f * k + y);
    context.drawImage(sheet, 0, 0);
  }
}
