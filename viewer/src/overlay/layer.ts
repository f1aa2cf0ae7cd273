/** Overlays drawn over a pane: pictures on a canvas, lines as SVG, both by one map from image pixels. */

import type { Overlay, PointPx } from "../types";
import { element, svg } from "../view/dom";
import { type Affine, type Point, apply, matrixText } from "./affine";
import { heatMapPicture } from "./heat_map";

/** A picture to be laid over the image by a map of its own, e.g. a segment. */
export interface Sheet {
  id: string;
  picture: HTMLCanvasElement;
  /** From pixels of the picture, outer corner first, to the pane. */
  map: Affine;
  isSmooth: boolean;
}

export interface Scene {
  overlays: readonly Overlay[];
  sheets: readonly Sheet[];
  /** From pixels of the stored image to the pane. */
  map: Affine;
  opacity: number;
  highlighted: string | undefined;
}

export const COLOURS: Record<Overlay["kind"], string> = {
  box: "#ffb000",
  outline: "#4cc9f0",
  "heat-map": "#f57d14",
  seg: "#7ae582",
};

/** A heat map is fainter than lines at the same setting, for it must not hide what it speaks about. */
const HEAT_SHARE = 0.7;

export function colourOfOverlay(overlay: Overlay): string {
  return overlay.colour && CSS.supports("color", overlay.colour) ? overlay.colour : COLOURS[overlay.kind];
}

export class OverlayLayer {
  private readonly canvas = element("canvas", "crv-sheets");
  private readonly lines = svg("svg", { class: "crv-lines" });

  constructor(host: HTMLElement) {
    host.append(this.canvas, this.lines);
  }

  clear(): void {
    this.lines.replaceChildren();
    this.canvas.getContext("2d")!.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  draw(scene: Scene): void {
    this.drawSheets(scene);
    const shapes = scene.overlays.flatMap((overlay) => shapesOf(overlay, scene));
    this.lines.replaceChildren(...shapes);
    this.lines.style.opacity = String(scene.opacity);
  }

  private drawSheets(scene: Scene): void {
    const context = this.freshContext();
    for (const overlay of scene.overlays) {
      if (overlay.kind !== "heat-map" || !overlay.heatMap) continue;
      const { left_px, top_px, width_px, height_px } = overlay.heatMap.extent;
      this.setMap(context, scene.map);
      context.imageSmoothingEnabled = true;
      context.globalAlpha = scene.opacity * HEAT_SHARE;
      context.drawImage(heatMapPicture(overlay.heatMap), left_px, top_px, width_px, height_px);
    }
    context.globalAlpha = scene.opacity;
    for (const sheet of scene.sheets) {
      this.setMap(context, sheet.map);
      context.imageSmoothingEnabled = sheet.isSmooth;
      context.drawImage(sheet.picture, 0, 0);
    }
  }

  private freshContext(): CanvasRenderingContext2D {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d")!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  private setMap(context: CanvasRenderingContext2D, { a, b, c, d, e, f }: Affine): void {
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(a * ratio, b * ratio, c * ratio, d * ratio, e * ratio, f * ratio);
  }
}

function shapesOf(overlay: Overlay, scene: Scene): SVGElement[] {
  const corners = cornersOf(overlay);
  if (corners.length === 0) return [];
  const colour = colourOfOverlay(overlay);
  const isHighlighted = overlay.id === scene.highlighted;
  const points = corners.map(([x, y]) => `${x},${y}`).join(" ");
  const shared = { points, fill: "none", transform: matrixText(scene.map), "vector-effect": "non-scaling-stroke" };
  const halo = svg("polygon", { ...shared, stroke: "#000", "stroke-opacity": 0.7, "stroke-width": isHighlighted ? 7 : 4 });
  const line = svg("polygon", {
    ...shared,
    stroke: colour,
    "stroke-width": isHighlighted ? 4 : 2,
    "data-overlay": overlay.id,
    class: isHighlighted ? "crv-shape crv-highlighted" : "crv-shape",
  });
  return [halo, line, labelOf(overlay, corners.map((corner) => apply(scene.map, corner)), colour)];
}

function cornersOf(overlay: Overlay): PointPx[] {
  if (overlay.kind === "outline") return overlay.outline ?? [];
  if (overlay.kind !== "box" || !overlay.box) return [];
  const { left_px, top_px, width_px, height_px } = overlay.box;
  const [right, bottom] = [left_px + width_px, top_px + height_px];
  return [
    [left_px, top_px],
    [right, top_px],
    [right, bottom],
    [left_px, bottom],
  ];
}

function labelOf(overlay: Overlay, points: Point[], colour: string): SVGElement {
  const x = Math.max(2, Math.min(...points.map((point) => point[0])));
  const y = Math.max(14, Math.min(...points.map((point) => point[1])) - 5);
  const label = svg("text", { x, y, fill: colour, class: "crv-label" });
  label.textContent = overlay.label;
  return label;
}
