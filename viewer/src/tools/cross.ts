/** A cross that arrow keys move over the image, for those who use no mouse. */

import type { Pane } from "../view/pane";
import type { PointPx } from "../types";
import { svg } from "../view/dom";

const ARM_PX = 14;

export class Cross {
  private at: PointPx | undefined;
  private readonly points: PointPx[] = [];
  private readonly drawing = svg("svg", { class: "crv-drawing", "aria-hidden": "true" });
  private readonly redraw = () => this.draw();

  constructor(private readonly pane: Pane) {
    pane.root.querySelector(".crv-above")!.append(this.drawing);
    pane.onDrawn.add(this.redraw);
  }

  /** Move by pixels of the screen; the first move brings the cross to the middle. */
  move(x: number, y: number): PointPx | undefined {
    const { frame } = this.pane;
    const bounds = this.pane.surface.getBoundingClientRect();
    if (!frame) return undefined;
    const now = this.at && this.pane.pointOf(this.at);
    const next = now ? [now[0] + x, now[1] + y] : [bounds.width / 2, bounds.height / 2];
    const inside = [Math.min(bounds.width, Math.max(0, next[0]!)), Math.min(bounds.height, Math.max(0, next[1]!))];
    this.at = this.pane.pixelAt(bounds.left + inside[0]!, bounds.top + inside[1]!);
    this.draw();
    return this.at;
  }

  /** Set a point where the cross stands; gives all points set so far. */
  set(): PointPx[] {
    if (!this.at) this.move(0, 0);
    if (this.at) this.points.push(this.at);
    this.draw();
    return [...this.points];
  }

  clearPoints(): void {
    this.points.length = 0;
    this.draw();
  }

  dispose(): void {
    this.pane.onDrawn.delete(this.redraw);
    this.drawing.remove();
  }

  private draw(): void {
    const marks = this.points.flatMap((point) => {
      const at = this.pane.pointOf(point);
      return at ? [svg("circle", { cx: at[0], cy: at[1], r: 4, class: "crv-cross-point" })] : [];
    });
    const at = this.at && this.pane.pointOf(this.at);
    const arms = at
      ? [
          svg("line", { x1: at[0] - ARM_PX, x2: at[0] + ARM_PX, y1: at[1], y2: at[1], class: "crv-cross" }),
          svg("line", { x1: at[0], x2: at[0], y1: at[1] - ARM_PX, y2: at[1] + ARM_PX, class: "crv-cross" }),
        ]
      : [];
    this.drawing.replaceChildren(...marks, ...arms);
  }
}
