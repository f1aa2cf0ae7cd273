/** Measuring with Cornerstone's tools: they draw and move the handles, what they say is reckoned in `measures`. */

import { Enums as Core, eventTarget, utilities } from "@cornerstonejs/core";
import {
  AngleTool, EllipticalROITool, Enums, LengthTool, ProbeTool, ToolGroupManager, addTool, annotation, init,
  type Types,
} from "@cornerstonejs/tools";
import type { Frame } from "../dicom/frame";
import type { FrameImage } from "../pixels/image";
import type { MeasurementKind, MeasurementValue, PointPx } from "../types";
import { type Pane, pixelOfWorld, worldOf } from "../view/pane";
import { boundsOf, measure } from "./measures";
import type { Say } from "../text/catalogue";

const TOOLS = {
  length: LengthTool,
  angle: AngleTool,
  ellipse: EllipticalROITool,
  probe: ProbeTool,
} as const;

const KINDS = new Map(Object.entries(TOOLS).map(([kind, tool]) => [tool.toolName as string, kind as MeasurementKind]));

/** Points that a measurement takes by the keyboard. */
export const POINTS: Record<MeasurementKind, number> = { length: 2, angle: 3, ellipse: 2, probe: 1 };

/** Where the image of an identifier is found, and the words to use. */
export interface MeasureHost {
  readonly engineId: string;
  readonly say: Say;
  imageOf(imageId: string): FrameImage | undefined;
  frameOf(imageId: string): Frame | undefined;
  measured(value: MeasurementValue): void;
}

let isStarted = false;
let groups = 0;

export class Annotations {
  private readonly group: NonNullable<ReturnType<typeof ToolGroupManager.createToolGroup>>;
  private readonly panes = new Set<Pane>();
  private readonly told = new Map<string, string>();
  private readonly listener = (event: Event) => this.changed(event as CustomEvent);

  constructor(private readonly host: MeasureHost) {
    start();
    groups += 1;
    this.group = ToolGroupManager.createToolGroup(`coread-measures-${groups}`)!;
    for (const tool of Object.values(TOOLS)) {
      this.group.addTool(tool.toolName, {
        getTextLines: (data: Data, targetId: string) => this.lines(tool.toolName, data, targetId),
        preventHandleOutsideImage: false,
      });
      this.group.setToolPassive(tool.toolName);
    }
    for (const name of [Enums.Events.ANNOTATION_COMPLETED, Enums.Events.ANNOTATION_MODIFIED]) {
      eventTarget.addEventListener(name, this.listener);
    }
  }

  /** Cornerstone's tools learn of a viewport when it is enabled; those enabled before the tools came are told here. */
  attach(pane: Pane): void {
    if (this.panes.has(pane)) return;
    this.panes.add(pane);
    if (!pane.surface.querySelector(".svg-layer")) {
      utilities.triggerEvent(eventTarget, Core.Events.ELEMENT_ENABLED, {
        element: pane.surface,
        viewportId: pane.id,
        renderingEngineId: this.host.engineId,
      });
    }
    this.group.addViewport(pane.id, this.host.engineId);
  }

  detach(pane: Pane): void {
    if (this.panes.delete(pane)) this.group.removeViewports(this.host.engineId, pane.id);
  }

  /** Let the main button measure; undefined gives it back. */
  activate(kind: MeasurementKind | undefined): void {
    for (const [name, tool] of Object.entries(TOOLS)) {
      if (name === kind) {
        this.group.setToolActive(tool.toolName, { bindings: [{ mouseButton: Enums.MouseBindings.Primary }] });
      } else {
        this.group.setToolPassive(tool.toolName);
      }
    }
  }

  /** Whether the pointer is upon a handle or line, which then has the drag. */
  hasPointer(): boolean {
    return this.own().some((one) => one.highlighted);
  }

  /** Add a measurement whose points were set otherwise, e.g. by the keyboard. */
  add(pane: Pane, kind: MeasurementKind, points: PointPx[]): void {
    const { frame, series } = pane;
    if (!frame || !series) return;
    const handles = kind === "ellipse" ? ellipseHandles(points) : points;
    const reference = pane.viewport.getViewReference();
    const made = TOOLS[kind].createAnnotation({
      metadata: { ...reference, toolName: TOOLS[kind].toolName, referencedImageId: series.imageId(pane.index) },
      data: { handles: { points: handles.map((point) => worldOf(frame, point)) } },
    }) as Types.Annotation;
    made.highlighted = false;
    annotation.state.addAnnotation(made, pane.surface);
    this.render();
    this.tell(made);
  }

  removeLast(): boolean {
    const last = this.own().at(-1);
    if (last) annotation.state.removeAnnotation(last.annotationUID!);
    this.render();
    return last !== undefined;
  }

  removeAll(): void {
    for (const one of this.own()) annotation.state.removeAnnotation(one.annotationUID!);
    this.render();
  }

  values(): MeasurementValue[] {
    return this.own().flatMap((one) => this.valueOf(one) ?? []);
  }

  /** Write all texts anew, e.g. in another language. */
  render(): void {
    for (const pane of this.panes) pane.redraw();
  }

  dispose(): void {
    this.removeAll();
    for (const name of [Enums.Events.ANNOTATION_COMPLETED, Enums.Events.ANNOTATION_MODIFIED]) {
      eventTarget.removeEventListener(name, this.listener);
    }
    ToolGroupManager.destroyToolGroup(this.group.id);
  }

  private own(): Types.Annotation[] {
    return annotation.state.getAllAnnotations().filter((one) => {
      const imageId = one.metadata?.referencedImageId;
      return KINDS.has(one.metadata?.toolName ?? "") && imageId !== undefined && this.host.frameOf(imageId) !== undefined;
    });
  }

  private changed(event: CustomEvent): void {
    const changed = (event.detail as { annotation?: Types.Annotation }).annotation;
    if (changed) this.tell(changed);
  }

  /** Cornerstone reports each reckoning; the page hears of what is new. */
  private tell(one: Types.Annotation): void {
    const value = this.valueOf(one);
    if (!value || this.told.get(value.id) === value.text + value.points.join()) return;
    this.told.set(value.id, value.text + value.points.join());
    this.host.measured(value);
  }

  private valueOf(one: Types.Annotation): MeasurementValue | undefined {
    const imageId = one.metadata?.referencedImageId;
    const kind = KINDS.get(one.metadata?.toolName ?? "");
    const frame = imageId && this.host.frameOf(imageId);
    if (!kind || !imageId || !frame) return undefined;
    const points = pixelsOf(frame, one.data as Data);
    if (points.length < (kind === "angle" ? 3 : 1)) return undefined;
    const grey = this.host.imageOf(imageId)?.grey;
    return {
      id: one.annotationUID!,
      kind,
      seriesInstanceUid: frame.seriesInstanceUid,
      sopInstanceUid: frame.sopInstanceUid,
      frame: frame.frame,
      points,
      ...measure(kind, frame, grey, points, this.host.say),
    };
  }

  private lines(toolName: string, data: Data, targetId: string): string[] {
    const imageId = targetId.replace(/^imageId:/, "");
    const frame = this.host.frameOf(imageId);
    const kind = KINDS.get(toolName);
    if (!frame || !kind) return [];
    const points = pixelsOf(frame, data);
    if (kind === "angle" && points.length < 3) return [];
    return measure(kind, frame, this.host.imageOf(imageId)?.grey, points, this.host.say).text.split("\n");
  }
}

interface Data {
  handles: { points: [number, number, number][] };
}

function pixelsOf(frame: Frame, data: Data): PointPx[] {
  return data.handles.points.map((point) => pixelOfWorld(frame, point));
}

/** Bottom, top, left, right of the ellipse within two corners, as Cornerstone keeps it. */
function ellipseHandles(points: PointPx[]): PointPx[] {
  const { left, right, top, bottom } = boundsOf(points);
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return [
    [x, bottom],
    [x, top],
    [left, y],
    [right, y],
  ];
}

function start(): void {
  if (isStarted) return;
  isStarted = true;
  init();
  for (const tool of Object.values(TOOLS)) addTool(tool);
  const styles = annotation.config.style.getDefaultToolStyles();
  annotation.config.style.setDefaultToolStyles({
    ...styles,
    global: {
      ...styles["global"],
      color: "#7ae582",
      colorHighlighted: "#ffe08a",
      colorSelected: "#7ae582",
      lineWidth: "1.5",
      lineWidthHighlighted: "2",
      textBoxFontSize: "13px",
      textBoxColor: "#d8f7da",
      textBoxColorHighlighted: "#ffe08a",
      textBoxColorSelected: "#d8f7da",
      textBoxFontFamily: 'system-ui, "Noto Sans CJK SC", sans-serif',
    },
  } as typeof styles);
}
