/** From stored values to modality values, e.g. Hounsfield units (PS3.3 C.11.1). */

import type { Frame, LookupTable } from "../dicom/frame";
import type { Samples } from "./native";

export type GreyValues = Int16Array | Uint16Array | Uint8Array | Int32Array | Float32Array;

export interface Grey {
  values: GreyValues;
  min: number;
  max: number;
  /** Modality values that stand for "no image here", lesser first. */
  padding: [number, number] | undefined;
}

/** A lookup table with its entries read. */
export interface ReadTable extends LookupTable {
  entries: Uint16Array | Uint8Array;
}

export function greyOf(samples: Samples, frame: Frame, table: ReadTable | undefined): Grey {
  const convert = table ? byTable(table) : (value: number) => value * frame.slope + frame.intercept;
  const isSame = !table && frame.slope === 1 && frame.intercept === 0;
  const values = isSame ? narrowed(samples) : transformed(samples, convert, isWhole(frame, table));
  const padding = frame.padding && ordered(convert(frame.padding[0]), convert(frame.padding[1]));
  return { values, ...rangeOf(values, padding), padding };
}

/** Entries of a table: bytes where each stands in one, else words (PS3.3 C.11.1.1.1). */
export function tableEntries(table: LookupTable, bytes: Uint8Array): Uint16Array | Uint8Array {
  if (bytes.length >= table.count * 2) return new Uint16Array(bytes.slice(0, table.count * 2).buffer);
  return bytes.slice(0, table.count);
}

export function byTable(table: ReadTable): (value: number) => number {
  const last = table.entries.length - 1;
  return (value) => table.entries[Math.min(last, Math.max(0, Math.round(value) - table.first))]!;
}

function isWhole(frame: Frame, table: ReadTable | undefined): boolean {
  if (frame.isFloat) return false;
  return table !== undefined || (Number.isInteger(frame.slope) && Number.isInteger(frame.intercept));
}

function narrowed(samples: Samples): GreyValues {
  if (samples instanceof Int8Array) return Int16Array.from(samples);
  if (samples instanceof Uint32Array) return Float32Array.from(samples);
  return samples;
}

function transformed(samples: Samples, convert: (value: number) => number, isWholeNumber: boolean): GreyValues {
  const { min, max } = rangeOf(narrowed(samples), undefined);
  const [low, high] = ordered(convert(min), convert(max));
  const values = isWholeNumber ? roomFor(low, high, samples.length) : new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i++) values[i] = convert(samples[i]!);
  return values;
}

function roomFor(low: number, high: number, length: number): GreyValues {
  if (low >= -32768 && high <= 32767) return new Int16Array(length);
  return low >= 0 && high <= 65535 ? new Uint16Array(length) : new Int32Array(length);
}

/** Least and greatest value, padding left out. */
function rangeOf(values: GreyValues, padding: [number, number] | undefined): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (padding && value >= padding[0] && value <= padding[1]) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return Number.isFinite(min) && Number.isFinite(max) ? { min, max } : { min: 0, max: 0 };
}

function ordered(a: number, b: number): [number, number] {
  return a <= b ? [a, b] : [b, a];
}
