/** One frame as its header describes it: everything that showing and measuring needs. */

import { type Element, type Model, item, items, number, numbers, text, texts } from "./model";
import { type Region, type Spacing, functionalGroup, regionsOf, spacingOf } from "./spacing";
import { type Vector, cross, unit } from "./vectors";

export interface Window {
  center: number;
  width: number;
  label: string;
}

export interface LookupTable {
  first: number;
  count: number;
  bits: number;
  data: Element | undefined;
  label: string;
}

export interface Palette {
  descriptor: number[];
  data: Element | undefined;
  isSegmented: boolean;
}

export interface Frame {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopInstanceUid: string;
  sopClassUid: string;
  frame: number;
  numberOfFrames: number;
  modality: string;
  rows: number;
  columns: number;
  samplesPerPixel: number;
  photometric: string;
  planarConfiguration: number;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  isSigned: boolean;
  isFloat: boolean;
  slope: number;
  intercept: number;
  rescaleType: string;
  modalityLut: LookupTable | undefined;
  windows: Window[];
  voiFunction: string;
  voiLut: LookupTable | undefined;
  isInverse: boolean;
  padding: [number, number] | undefined;
  palette: Palette[] | undefined;
  spacing: Spacing;
  regions: Region[];
  position_mm: Vector | undefined;
  rowDirection: Vector | undefined;
  columnDirection: Vector | undefined;
  patientOrientation: [string, string] | undefined;
  frameOfReferenceUid: string;
  laterality: string;
  viewPosition: string;
  instanceNumber: number | undefined;
  seriesNumber: string;
  seriesDescription: string;
  sliceThickness_mm: number | undefined;
  frameTime_ms: number | undefined;
}

export function frameOf(model: Model, frame: number): Frame {
  const group = (tag: string) => functionalGroup(model, frame, tag);
  const modality = text(model, "00080060");
  return {
    ...identity(model, frame),
    modality,
    ...pixelFacts(model),
    ...grey(model, group("00289145"), group("00289132")),
    spacing: spacingOf(model, group("00289110"), modality),
    regions: modality === "US" || modality === "IVUS" ? regionsOf(model) : [],
    ...plane(model, group("00209113"), group("00209116")),
    laterality: text(model, "00200062") || text(model, "00200060") || text(group("00209071"), "00209072"),
    viewPosition: text(model, "00185101"),
    instanceNumber: number(model, "00200013"),
    seriesNumber: text(model, "00200011"),
    seriesDescription: text(model, "0008103E"),
    sliceThickness_mm: number(group("00289110"), "00180050") ?? number(model, "00180050"),
    frameTime_ms: frameTime(model),
  };
}

function identity(model: Model, frame: number) {
  return {
    studyInstanceUid: text(model, "0020000D"),
    seriesInstanceUid: text(model, "0020000E"),
    sopInstanceUid: text(model, "00080018"),
    sopClassUid: text(model, "00080016"),
    frame,
    numberOfFrames: Math.max(1, number(model, "00280008") ?? 1),
  };
}

function pixelFacts(model: Model) {
  const bitsAllocated = number(model, "00280100") ?? 8;
  const bitsStored = number(model, "00280101") ?? bitsAllocated;
  const photometric = text(model, "00280004") || "MONOCHROME2";
  const isPalette = photometric === "PALETTE COLOR";
  return {
    rows: number(model, "00280010") ?? 0,
    columns: number(model, "00280011") ?? 0,
    samplesPerPixel: number(model, "00280002") ?? 1,
    photometric,
    planarConfiguration: number(model, "00280006") ?? 0,
    bitsAllocated,
    bitsStored,
    highBit: number(model, "00280102") ?? bitsStored - 1,
    isSigned: number(model, "00280103") === 1,
    isFloat: model["7FE00008"] !== undefined || model["7FE00009"] !== undefined,
    palette: isPalette ? [1, 2, 3].map((channel) => paletteOf(model, channel)) : undefined,
    padding: paddingOf(model),
  };
}

function paletteOf(model: Model, channel: number): Palette {
  const whole = model[`0028120${channel}`];
  const segmented = model[`0028122${channel}`];
  return {
    descriptor: numbers(model, `0028110${channel}`),
    data: whole ?? segmented,
    isSegmented: whole === undefined && segmented !== undefined,
  };
}

/** Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2), lesser first. */
function paddingOf(model: Model): [number, number] | undefined {
  const value = number(model, "00280120");
  if (value === undefined) return undefined;
  const limit = number(model, "00280121") ?? value;
  return [Math.min(value, limit), Math.max(value, limit)];
}

function grey(model: Model, transformation: Model | undefined, voi: Model | undefined) {
  const source = transformation ?? model;
  const look = item(model, "00283010");
  const voiSource = voi ?? model;
  return {
    slope: number(source, "00281053") || 1,
    intercept: number(source, "00281052") ?? 0,
    rescaleType: text(source, "00281054"),
    modalityLut: lookup(item(model, "00283000")),
    windows: windowsOf(voiSource),
    voiFunction: text(voiSource, "00281056") || "LINEAR",
    voiLut: lookup(look),
    isInverse: text(model, "00280004") === "MONOCHROME1",
  };
}

function windowsOf(model: Model): Window[] {
  const centers = numbers(model, "00281050");
  const widths = numbers(model, "00281051");
  const labels = texts(model, "00281055");
  return centers.flatMap((center, i) => {
    const width = widths[i];
    return width !== undefined && width > 0 ? [{ center, width, label: labels[i] ?? "" }] : [];
  });
}

function lookup(model: Model | undefined): LookupTable | undefined {
  const [count, first, bits] = numbers(model, "00283002");
  if (!model || count === undefined || first === undefined || bits === undefined) return undefined;
  return { count: count || 65536, first, bits, data: model["00283006"], label: text(model, "00283003") };
}

function plane(model: Model, position: Model | undefined, orientation: Model | undefined) {
  const place = numbers(position ?? model, "00200032");
  const cosines = numbers(orientation ?? model, "00200037");
  const isThere = cosines.length === 6 && isFrame(cosines);
  const letters = texts(model, "00200020");
  return {
    position_mm: place.length === 3 && isThere ? (place as Vector) : undefined,
    rowDirection: isThere ? unit(cosines.slice(0, 3) as Vector) : undefined,
    columnDirection: isThere ? unit(cosines.slice(3, 6) as Vector) : undefined,
    patientOrientation: letters.length === 2 && letters[0] ? (letters as [string, string]) : undefined,
    frameOfReferenceUid: text(model, "00200052"),
  };
}

function isFrame(cosines: number[]): boolean {
  const normal = cross(cosines.slice(0, 3) as Vector, cosines.slice(3, 6) as Vector);
  return Math.abs(Math.hypot(...normal) - 1) < 0.01;
}

/** Time between frames, ms: Frame Time, else the first of its vector, else a rate (PS3.3 C.7.6.5). */
function frameTime(model: Model): number | undefined {
  const time = number(model, "00181063") ?? numbers(model, "00181065")[1];
  if (time && time > 0) return time;
  const rate = number(model, "00082144") ?? number(model, "00180040");
  return rate && rate > 0 ? 1000 / rate : undefined;
}

export function normalOf(frame: Frame): Vector | undefined {
  return frame.rowDirection && frame.columnDirection && cross(frame.rowDirection, frame.columnDirection);
}

/** Whether an object of this model is an image that can be shown. */
export function hasPixels(model: Model): boolean {
  return number(model, "00280010") !== undefined && items(model, "00620002").length === 0;
}
