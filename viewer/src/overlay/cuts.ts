/** Where a plane through the patient cuts what was drawn on an image. */

import { type Frame, normalOf } from "../dicom/frame";
import { type Vector, dot, minus } from "../dicom/vectors";
import type { Overlay, PointPx } from "../types";

export interface CuttingPlane {
  normal: Vector;
  point: Vector;
}

/** Lines to draw, each of places in the patient: the whole shape in its own plane, else what the plane cuts off it. */
export function cutsThrough(
  overlay: Overlay,
  worldOf: (pixel: PointPx) => Vector,
  frame: Frame,
  { normal, point }: CuttingPlane,
): Vector[][] {
  const corners = cornersOf(overlay).map(worldOf);
  const own = normalOf(frame);
  if (corners.length < 3 || !own) return [];
  const heights = corners.map((corner) => dot(minus(corner, point), normal));
  if (Math.abs(dot(own, normal)) > 0.99) {
    const half_mm = (frame.sliceThickness_mm ?? 1) / 2;
    return Math.abs(heights[0]!) <= half_mm + 1e-6 ? [[...corners, corners[0]!]] : [];
  }
  return pairs(crossings(corners, heights));
}

/** Points where the sides of a polygon go through the plane. */
function crossings(corners: Vector[], heights: number[]): Vector[] {
  return corners.flatMap((corner, i) => {
    const j = (i + 1) % corners.length;
    const [a, b] = [heights[i]!, heights[j]!];
    if (a === b || a > 0 === b > 0) return [];
    const part = a / (a - b);
    return [corner.map((value, axis) => value + (corners[j]![axis]! - value) * part) as Vector];
  });
}

/** Along the cut, from each way in to the next way out. */
function pairs(points: Vector[]): Vector[][] {
  if (points.length < 2) return [];
  const direction = minus(points[1]!, points[0]!);
  const sorted = [...points].sort((a, b) => dot(a, direction) - dot(b, direction));
  const lines: Vector[][] = [];
  for (let i = 0; i + 1 < sorted.length; i += 2) lines.push([sorted[i]!, sorted[i + 1]!]);
  return lines;
}

function cornersOf({ kind, box, outline }: Overlay): PointPx[] {
  if (kind === "outline") return outline ?? [];
  if (kind !== "box" || !box) return [];
  const { left_px, top_px, width_px, height_px } = box;
  const [right, bottom] = [left_px + width_px, top_px + height_px];
  return [
    [left_px, top_px],
    [right, top_px],
    [right, bottom],
    [left_px, bottom],
  ];
}
