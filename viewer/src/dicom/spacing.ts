/** What a pixel measures, and what that claim rests on (PS3.3 10.7, C.8.5.5, C.8.7.1). */

import { type Model, item, items, number, numbers, text } from "./model";

export type Calibration = "patient" | "detector" | "magnification" | "scanned" | "ultrasound" | "none";

export interface Spacing {
  /** Distance between rows and between columns, mm; for "none" only their ratio is true. */
  row_mm: number;
  column_mm: number;
  calibration: Calibration;
}

/** A part of an ultrasound image that has its own scale (PS3.3 C.8.5.5). Pixels, inclusive. */
export interface Region extends Spacing {
  left_px: number;
  top_px: number;
  right_px: number;
  bottom_px: number;
}

const PROJECTIONS = new Set(["CR", "DX", "MG", "XA", "RF", "IO", "PX", "RG", "DR"]);
const CENTIMETRES = 3;

export function spacingOf(model: Model, measures: Model | undefined, modality: string): Spacing {
  const pixel = pair(numbers(measures, "00280030")) ?? pair(numbers(model, "00280030"));
  const imager = pair(numbers(model, "00181164"));
  if (pixel && !isOnlyDetector(model, pixel, imager, modality)) return spacing(pixel, "patient");
  if (imager ?? pixel) return ofDetector(model, (imager ?? pixel)!);
  const scanned = pair(numbers(model, "00182010"));
  if (scanned) return spacing(scanned, "scanned");
  return spacing(aspect(model), "none");
}

export function regionsOf(model: Model): Region[] {
  return items(model, "00186011").flatMap((region) => {
    const isLength = number(region, "00186024") === CENTIMETRES && number(region, "00186026") === CENTIMETRES;
    const x_cm = Math.abs(number(region, "0018602C") ?? 0);
    const y_cm = Math.abs(number(region, "0018602E") ?? 0);
    if (!isLength || !x_cm || !y_cm) return [];
    return [
      {
        left_px: number(region, "00186018") ?? 0,
        top_px: number(region, "0018601A") ?? 0,
        right_px: number(region, "0018601C") ?? 0,
        bottom_px: number(region, "0018601E") ?? 0,
        row_mm: y_cm * 10,
        column_mm: x_cm * 10,
        calibration: "ultrasound" as const,
      },
    ];
  });
}

/** Pixel Spacing of a projection that merely repeats the detector's says nothing of the patient (PS3.3 10.7.1.3). */
function isOnlyDetector(model: Model, pixel: number[], imager: number[] | undefined, modality: string): boolean {
  if (!PROJECTIONS.has(modality) || text(model, "00280A02")) return false;
  return imager !== undefined && Math.abs(imager[0]! - pixel[0]!) < 1e-6 * pixel[0]!;
}

function ofDetector(model: Model, imager: number[]): Spacing {
  const factor = number(model, "00181114");
  if (factor && factor > 1) return spacing([imager[0]! / factor, imager[1]! / factor], "magnification");
  return spacing(imager, "detector");
}

/** Pixel Aspect Ratio: vertical, horizontal size of a pixel (PS3.3 C.7.6.3.1.7). */
function aspect(model: Model): number[] {
  const [vertical, horizontal] = numbers(model, "00280034");
  if (vertical && horizontal && vertical > 0 && horizontal > 0) return [vertical / horizontal, 1];
  const region = regionsOf(model)[0];
  return region && items(model, "00186011").length === 1 ? [region.row_mm / region.column_mm, 1] : [1, 1];
}

function pair(found: number[]): number[] | undefined {
  return found.length >= 2 && found[0]! > 0 && found[1]! > 0 ? found.slice(0, 2) : undefined;
}

function spacing([row_mm, column_mm]: number[], calibration: Calibration): Spacing {
  return { row_mm: row_mm!, column_mm: column_mm!, calibration };
}

/** Functional group of a frame: its own, else the shared one (PS3.3 C.7.6.16). */
export function functionalGroup(model: Model, frame: number, tag: string): Model | undefined {
  const own = items(model, "52009230")[frame - 1];
  return item(own, tag) ?? item(item(model, "52009229"), tag);
}
