/** From modality values to what a screen shows: window, VOI LUT, inversion, padding (PS3.3 C.11.2). */

import type { Window } from "../dicom/frame";
import { type Grey, type ReadTable, byTable } from "./modality";

/** How grey values are shown. */
export interface Look {
  window: Window;
  /** LINEAR, LINEAR_EXACT or SIGMOID. */
  voiFunction: string;
  /** In place of the window where given. */
  table: ReadTable | undefined;
  isInverse: boolean;
}

const TABLE_LIMIT = 1 << 20;

/** Brightness 0..255 of a modality value. */
export function brightness(look: Look): (value: number) => number {
  const shown = look.table ? tableBrightness(look.table) : windowBrightness(look.window, look.voiFunction);
  return look.isInverse ? (value) => 255 - shown(value) : shown;
}

function windowBrightness({ center, width }: Window, voiFunction: string): (value: number) => number {
  if (voiFunction === "SIGMOID") return (value) => 255 / (1 + Math.exp((-4 * (value - center)) / width));
  const isExact = voiFunction === "LINEAR_EXACT";
  const middle = isExact ? center : center - 0.5;
  const range = isExact ? width : Math.max(width - 1, 1e-6);
  return (value) => Math.min(255, Math.max(0, ((value - middle) / range + 0.5) * 255));
}

function tableBrightness(table: ReadTable): (value: number) => number {
  const convert = byTable(table);
  const top = 2 ** table.bits - 1;
  return (value) => (convert(value) * 255) / top;
}

/** Paint grey values as opaque pixels. Padding is black in every look. */
export function paintGrey(grey: Grey, look: Look, pixels: Uint32Array): void {
  const shown = brightness(look);
  const { values, padding } = grey;
  const low = padding ? Math.min(grey.min, padding[0]) : grey.min;
  const high = padding ? Math.max(grey.max, padding[1]) : grey.max;
  const isPadding = (value: number) => padding !== undefined && value >= padding[0] && value <= padding[1];
  const colour = (value: number) => (isPadding(value) ? 0xff000000 : greyPixel(shown(value)));
  if (values instanceof Float32Array || high - low > TABLE_LIMIT) {
    for (let i = 0; i < values.length; i++) pixels[i] = colour(values[i]!);
    return;
  }
  const table = new Uint32Array(high - low + 1);
  for (let i = 0; i < table.length; i++) table[i] = colour(low + i);
  for (let i = 0; i < values.length; i++) pixels[i] = table[values[i]! - low]!;
}

/** Paint red, green, blue samples; a window other than the full one is applied to each channel. */
export function paintColour(samples: Uint8Array | Uint8ClampedArray, look: Look, pixels: Uint32Array): void {
  const step = samples.length >= pixels.length * 4 ? 4 : 3;
  const shown = brightness(look);
  const table = new Uint8ClampedArray(256);
  for (let i = 0; i < 256; i++) table[i] = shown(i);
  for (let i = 0, at = 0; i < pixels.length; i++, at += step) {
    const red = table[samples[at]!]!;
    const green = table[samples[at + 1]!]!;
    pixels[i] = (0xff000000 | (table[samples[at + 2]!]! << 16) | (green << 8) | red) >>> 0;
  }
}

function greyPixel(level: number): number {
  const byte = Math.round(Math.min(255, Math.max(0, level)));
  return (0xff000000 | (byte << 16) | (byte << 8) | byte) >>> 0;
}

export const FULL_COLOUR: Window = { center: 128, width: 256, label: "" };

/** The look that the header asks for: its VOI LUT, else its first window, else all values. */
export function headerLook(
  windows: readonly Window[],
  voiFunction: string,
  table: ReadTable | undefined,
  grey: { min: number; max: number },
): Look {
  const whole = { center: (grey.min + grey.max + 1) / 2, width: Math.max(1, grey.max - grey.min + 1), label: "" };
  const window = windows[0] ?? whole;
  return { window, voiFunction: windows.length ? voiFunction : "LINEAR", table: windows.length ? undefined : table, isInverse: false };
}
