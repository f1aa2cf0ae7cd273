/** What is measured on an image: lengths, angles, ellipses, values, with what the unit rests on. */

import type { Frame } from "../dicom/frame";
import type { Region, Spacing } from "../dicom/spacing";
import type { Grey } from "../pixels/modality";
import type { Say } from "../text/catalogue";
import type { MeasurementKind, MeasurementValue, PointPx } from "../types";

export type Measures = Pick<
  MeasurementValue,
  "value" | "unit" | "calibration" | "area" | "areaUnit" | "sd" | "min" | "max" | "text"
>;

/** The scale at some points: an ultrasound region's own, else the image's. */
export function scaleAt(frame: Frame, points: readonly PointPx[]): Spacing {
  const holds = (region: Region) =>
    points.every(
      ([x, y]) =>
        x >= region.left_px && x <= region.right_px + 1 && y >= region.top_px && y <= region.bottom_px + 1,
    );
  return frame.regions.find(holds) ?? (frame.regions.length ? uncalibrated(frame.spacing) : frame.spacing);
}

function uncalibrated(spacing: Spacing): Spacing {
  return { ...spacing, calibration: "none" };
}

/** Without a calibration pixels are counted as they are, whatever their shape. */
function steps(spacing: Spacing): [number, number] {
  return spacing.calibration === "none" ? [1, 1] : [spacing.column_mm, spacing.row_mm];
}

function unitOf(spacing: Spacing): "mm" | "px" {
  return spacing.calibration === "none" ? "px" : "mm";
}

export function lengthOf(frame: Frame, [a, b]: readonly PointPx[]): { value: number; spacing: Spacing } {
  const spacing = scaleAt(frame, [a!, b!]);
  const [across, down] = steps(spacing);
  return { value: Math.hypot((a![0] - b![0]) * across, (a![1] - b![1]) * down), spacing };
}

/** At the middle one of three points, in degrees; pixels that are not square are taken as they are shown. */
export function angleOf(frame: Frame, [a, middle, b]: readonly PointPx[]): number {
  const { column_mm, row_mm } = frame.spacing;
  const arm = (end: PointPx) => [(end[0] - middle![0]) * column_mm, (end[1] - middle![1]) * row_mm] as const;
  const [one, other] = [arm(a!), arm(b!)];
  const cosine = (one[0] * other[0] + one[1] * other[1]) / (Math.hypot(...one) * Math.hypot(...other) || 1);
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI;
}

export interface EllipseStatistics {
  mean: number;
  sd: number;
  min: number;
  max: number;
  pixels: number;
}

/** Of the pixels whose centre lies within the ellipse; SD is the population's. Padding counts for nothing. */
export function ellipseStatistics(grey: Grey, frame: Frame, box: Bounds): EllipseStatistics | undefined {
  const [cx, cy] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const [rx, ry] = [(box.right - box.left) / 2, (box.bottom - box.top) / 2];
  if (rx <= 0 || ry <= 0) return undefined;
  let [count, sum, squares, min, max] = [0, 0, 0, Infinity, -Infinity];
  for (let row = Math.max(0, Math.floor(box.top)); row < Math.min(frame.rows, Math.ceil(box.bottom)); row++) {
    const y = (row + 0.5 - cy) / ry;
    for (let column = Math.max(0, Math.floor(box.left)); column < Math.min(frame.columns, Math.ceil(box.right)); column++) {
      const x = (column + 0.5 - cx) / rx;
      if (x * x + y * y > 1) continue;
      const value = grey.values[row * frame.columns + column]!;
      if (grey.padding && value >= grey.padding[0] && value <= grey.padding[1]) continue;
      count += 1;
      sum += value;
      squares += value * value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (count === 0) return undefined;
  const mean = sum / count;
  return { mean, sd: Math.sqrt(Math.max(0, squares / count - mean * mean)), min, max, pixels: count };
}

export interface Bounds {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export function boundsOf(points: readonly PointPx[]): Bounds {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

export function valueAt(grey: Grey | undefined, frame: Frame, [x, y]: PointPx): number | undefined {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (!grey || column < 0 || row < 0 || column >= frame.columns || row >= frame.rows) return undefined;
  return grey.values[row * frame.columns + column];
}

/** HU for CT unless the header names another unit (PS3.3 C.11.1.1.2). */
export function valueUnit(frame: Frame): string {
  if (frame.rescaleType && frame.rescaleType !== "US") return frame.rescaleType;
  return frame.modality === "CT" && frame.rescaleType !== "US" ? "HU" : "";
}

/** Everything that is said of a measurement. Handles in pixels of the stored image. */
export function measure(
  kind: MeasurementKind,
  frame: Frame,
  grey: Grey | undefined,
  points: readonly PointPx[],
  say: Say,
): Measures {
  if (kind === "length") return ofLength(frame, points, say);
  if (kind === "angle") return ofAngle(frame, points);
  return kind === "ellipse" ? ofEllipse(frame, grey, points, say) : ofProbe(frame, grey, points, say);
}

function ofLength(frame: Frame, points: readonly PointPx[], say: Say): Measures {
  const { value, spacing } = lengthOf(frame, points);
  const unit = unitOf(spacing);
  return { value, unit, calibration: spacing.calibration, text: joined(number(value, unit), note(spacing, say)) };
}

function ofAngle(frame: Frame, points: readonly PointPx[]): Measures {
  const value = points.length < 3 ? 0 : angleOf(frame, points);
  return { value, unit: "°", calibration: frame.spacing.calibration, text: `${value.toFixed(1)}°` };
}

function ofEllipse(frame: Frame, grey: Grey | undefined, points: readonly PointPx[], say: Say): Measures {
  const bounds = boundsOf(points);
  const spacing = scaleAt(frame, [[bounds.left, bounds.top], [bounds.right, bounds.bottom]]);
  const [across, down] = steps(spacing);
  const area = (Math.PI / 4) * (bounds.right - bounds.left) * across * (bounds.bottom - bounds.top) * down;
  const areaUnit = `${unitOf(spacing)}²`;
  const found = grey && ellipseStatistics(grey, frame, bounds);
  const unit = valueUnit(frame);
  const lines = [joined(`${say("area")} ${number(area, areaUnit)}`, note(spacing, say))];
  if (found) {
    lines.push(`${say("mean")} ${number(found.mean, unit)}  ${say("sd")} ${number(found.sd, "")}`);
    lines.push(`${say("range")} ${number(found.min, "")} … ${number(found.max, "")}`);
  }
  const statistics = found && { sd: found.sd, min: found.min, max: found.max };
  return { value: found?.mean ?? NaN, unit, calibration: spacing.calibration, area, areaUnit, ...statistics, text: lines.join("\n") };
}

function ofProbe(frame: Frame, grey: Grey | undefined, points: readonly PointPx[], say: Say): Measures {
  const value = valueAt(grey, frame, points[0]!);
  const unit = valueUnit(frame);
  const text = value === undefined ? say("probeOutside") : number(value, unit);
  return { value: value ?? NaN, unit, calibration: frame.spacing.calibration, text };
}

function note(spacing: Spacing, say: Say): string {
  return say(`calibration_${spacing.calibration}`);
}

function joined(text: string, remark: string): string {
  return remark ? `${text} (${remark})` : text;
}

function number(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`.trim();
}
