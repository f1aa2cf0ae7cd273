/** Which tool has the mouse, and the tools that are loaded when they are first wanted. */

import type { App } from "../app";
import type { Drawn, MeasurementKind, MeasurementValue } from "../types";
import type { DragMode } from "../view/gestures";
import type { Pane } from "../view/pane";
import type { Annotations } from "./annotations";
import type { Cross } from "./cross";
import type { Drawing, Shape } from "./draw";
import type { Lens } from "./lens";

export type Tool = DragMode | MeasurementKind | "magnifier";

const HINTS = { box: "drawBox", outline: "drawOutline", place: "drawPlace" } as const;

const MEASURES = new Set<Tool>(["length", "angle", "ellipse", "probe"]);

export class Toolbox {
  tool: Tool = "window";
  private annotations: Annotations | undefined;
  private loading: Promise<Annotations> | undefined;
  private drawing: Drawing | undefined;
  private lens: Lens | undefined;
  private cross: Cross | undefined;

  constructor(private readonly app: App) {}

  get isMeasuring(): boolean {
    return MEASURES.has(this.tool);
  }

  get isDrawing(): boolean {
    return this.drawing !== undefined;
  }

  attach(pane: Pane): void {
    this.annotations?.attach(pane);
  }

  detach(pane: Pane): void {
    this.annotations?.detach(pane);
  }

  /** What the main button drags; undefined while a tool has it. */
  dragMode(_pane: Pane, _event: PointerEvent): DragMode | undefined {
    if (this.drawing || this.isMeasuring || this.annotations?.hasPointer()) return undefined;
    return this.tool === "magnifier" ? "pan" : (this.tool as DragMode);
  }

  /** Take a tool; the same again gives it back. */
  async take(tool: Tool): Promise<void> {
    this.tool = this.tool === tool && tool !== "window" ? "window" : tool;
    this.leaveHelpers();
    if (this.tool === "magnifier") this.lens = new (await import("./lens")).Lens(this.app.active);
    if (this.isMeasuring) this.app.note(this.app.say("measureHint"));
    this.app.showState();
    if (this.isMeasuring || this.annotations) (await this.measuring()).activate(this.measureKind);
  }

  private get measureKind(): MeasurementKind | undefined {
    return this.isMeasuring ? (this.tool as MeasurementKind) : undefined;
  }

  /** Esc: leave what is going on; false where nothing is. */
  escape(): boolean {
    if (this.drawing) this.drawing.cancel();
    else if (this.tool !== "window") void this.take("window");
    else return false;
    return true;
  }

  /** Arrow keys while a tool is at work; false where they scroll. */
  move(x: number, y: number): boolean {
    if (this.drawing) this.drawing.move(x, y);
    else if (this.lens) this.lens.move(x, y);
    else if (this.isMeasuring) void this.withCross((cross) => cross.move(x, y));
    else return false;
    return true;
  }

  setPoint(): boolean {
    if (this.drawing) this.drawing.setPoint();
    else if (this.isMeasuring) void this.withCross((cross) => this.setMeasurePoint(cross));
    else return false;
    return true;
  }

  private async setMeasurePoint(cross: Cross): Promise<void> {
    const kind = this.measureKind!;
    const [annotations, { POINTS }] = await Promise.all([this.measuring(), import("./annotations")]);
    const points = cross.set();
    if (points.length < POINTS[kind]) return;
    cross.clearPoints();
    annotations.add(this.app.active, kind, points);
  }

  private async withCross(use: (cross: Cross) => unknown): Promise<void> {
    this.cross ??= new (await import("./cross")).Cross(this.app.active);
    await use(this.cross);
  }

  private leaveHelpers(): void {
    this.lens?.dispose();
    this.cross?.dispose();
    this.lens = this.cross = undefined;
    this.app.note("");
  }

  removeLast(): void {
    if (this.annotations?.removeLast()) this.app.redrawAbove();
  }

  removeAll(): void {
    this.annotations?.removeAll();
  }

  measurements(): MeasurementValue[] {
    return this.annotations?.values() ?? [];
  }

  translate(): void {
    if (this.isMeasuring) this.app.note(this.app.say("measureHint"));
    this.annotations?.render();
  }

  async draw(shape: Shape): Promise<Drawn | null> {
    this.drawing?.cancel();
    await this.take("window");
    const { Drawing } = await import("./draw");
    const drawing = new Drawing(this.app.active, shape);
    this.drawing = drawing;
    this.app.note(`${this.app.say(HINTS[shape])} ${this.app.say("drawBoxKeys")}`);
    const drawn = await drawing.done;
    if (this.drawing === drawing) {
      this.drawing = undefined;
      this.app.note("");
    }
    return drawn;
  }

  dispose(): void {
    this.drawing?.cancel();
    this.leaveHelpers();
    this.annotations?.dispose();
  }

  private measuring(): Promise<Annotations> {
    this.loading ??= import("./annotations").then(({ Annotations }) => {
      const { app } = this;
      this.annotations = new Annotations({
        engineId: app.engine.id,
        get say() {
          return app.say;
        },
        imageOf: (imageId) => app.imageOf(imageId),
        frameOf: (imageId) => app.store.frameOf(imageId),
        measured: (measurement) => app.emit({ type: "measured", measurement }),
      });
      for (const pane of app.panes) this.annotations.attach(pane);
      return this.annotations;
    });
    return this.loading;
  }
}
