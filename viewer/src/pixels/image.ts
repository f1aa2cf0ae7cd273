/** A decoded frame as Cornerstone keeps and shows it. */

import { type Types, utilities } from "@cornerstonejs/core";
import type { Frame, LookupTable, Palette } from "../dicom/frame";
import { type Element, inlineBytes } from "../dicom/model";
import type { Affine } from "../overlay/affine";
import type { Decoded } from "./decode";
import { type Grey, type GreyValues, type ReadTable, greyOf, tableEntries } from "./modality";
import { PixelFault } from "./native";
import { expandSegments, rgbOfPalette } from "./palette";
import { FULL_COLOUR, type Look, headerLook, paintColour, paintGrey } from "./voi";

/** A frame, ready to be shown. */
export interface FrameImage extends Types.IImage {
  frame: Frame;
  /** As its header asks to be shown. */
  headerLook: Look;
  grey: Grey | undefined;
}

type Fetch = (uri: string) => Promise<Uint8Array>;

export async function imageOf(imageId: string, frame: Frame, decoded: Decoded, fetchBulk: Fetch): Promise<FrameImage> {
  const isGrey = decoded.channels === 1 && !frame.palette;
  return isGrey
    ? greyImage(imageId, frame, decoded, fetchBulk)
    : colourImage(imageId, frame, await colourSamples(frame, decoded, fetchBulk));
}

async function greyImage(imageId: string, frame: Frame, decoded: Decoded, fetchBulk: Fetch): Promise<FrameImage> {
  const [modalityTable, voiTable] = await Promise.all([
    readTable(frame.modalityLut, fetchBulk),
    readTable(frame.voiLut, fetchBulk),
  ]);
  const grey = greyOf(decoded.samples, frame, modalityTable);
  const range = frame.bitsStored <= 8 && !frame.isFloat && !frame.isSigned ? byteRange(frame) : grey;
  const look = { ...headerLook(frame.windows, frame.voiFunction, voiTable, range), isInverse: frame.isInverse };
  const paint = (shown: Look, pixels: Uint32Array) => paintGrey(grey, shown, pixels);
  return assembled(imageId, frame, grey.values, look, paint, grey);
}

function byteRange(frame: Frame) {
  const top = 2 ** frame.bitsStored - 1;
  return { min: frame.intercept, max: top * frame.slope + frame.intercept };
}

async function colourSamples(frame: Frame, decoded: Decoded, fetchBulk: Fetch): Promise<Uint8Array> {
  if (frame.palette) {
    const tables = await Promise.all(frame.palette.map((palette) => paletteBytes(palette, fetchBulk)));
    return rgbOfPalette(decoded.samples, frame, tables);
  }
  const { samples } = decoded;
  if (samples.BYTES_PER_ELEMENT === 1) return samples as Uint8Array;
  return Uint8Array.from(samples as Uint16Array, (value) => value >> (frame.bitsStored - 8));
}

async function paletteBytes(palette: Palette, fetchBulk: Fetch): Promise<Uint8Array> {
  const bytes = await readBytes(palette.data, fetchBulk);
  return palette.isSegmented ? expandSegments(bytes, palette.descriptor[2] ?? 16) : bytes;
}

function colourImage(imageId: string, frame: Frame, samples: Uint8Array): FrameImage {
  const look: Look = { window: FULL_COLOUR, voiFunction: "LINEAR", table: undefined, isInverse: false };
  const paint = (shown: Look, pixels: Uint32Array) => paintColour(samples, shown, pixels);
  return assembled(imageId, frame, samples, look, paint, undefined);
}

async function readTable(table: LookupTable | undefined, fetchBulk: Fetch): Promise<ReadTable | undefined> {
  if (!table) return undefined;
  return { ...table, entries: tableEntries(table, await readBytes(table.data, fetchBulk)) };
}

/** Bytes of an element: inline, as words of a US element, or fetched. */
async function readBytes(element: Element | undefined, fetchBulk: Fetch): Promise<Uint8Array> {
  const inline = inlineBytes(element);
  if (inline) return inline;
  if (element?.BulkDataURI) return fetchBulk(element.BulkDataURI);
  if (element?.Value?.length) return new Uint8Array(Uint16Array.from(element.Value as number[]).buffer);
  throw new PixelFault("a lookup table without entries");
}

type Paint = (look: Look, pixels: Uint32Array) => void;

function assembled(
  imageId: string,
  frame: Frame,
  values: GreyValues,
  look: Look,
  paint: Paint,
  grey: Grey | undefined,
): FrameImage {
  const numberOfComponents = grey ? 1 : values.length >= frame.rows * frame.columns * 4 ? 4 : 3;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    scalarData: values as Types.PixelDataTypedArray,
    width: frame.columns,
    height: frame.rows,
    numberOfComponents,
  });
  return {
    imageId,
    frame,
    headerLook: look,
    grey,
    voxelManager,
    getPixelData: () => values as Types.PixelDataTypedArray,
    getCanvas: () => document.createElement("canvas"),
    render: (enabled: Enabled) => draw(enabled, frame, paint),
    dataType: values.constructor.name as Types.PixelDataTypedArrayString,
    rows: frame.rows,
    columns: frame.columns,
    height: frame.rows,
    width: frame.columns,
    rowPixelSpacing: frame.spacing.row_mm,
    columnPixelSpacing: frame.spacing.column_mm,
    minPixelValue: grey?.min ?? 0,
    maxPixelValue: grey?.max ?? 255,
    slope: 1,
    intercept: 0,
    windowCenter: look.window.center,
    windowWidth: look.window.width,
    voiLUTFunction: "LINEAR",
    color: grey === undefined,
    rgba: numberOfComponents === 4,
    numberOfComponents,
    invert: false,
    photometricInterpretation: frame.photometric,
    sizeInBytes: values.byteLength,
    preScale: { enabled: true, scaled: true },
  } as unknown as FrameImage;
}

/** How a Cornerstone canvas shows its images, beside what Cornerstone itself carries. */
export interface View {
  look: Look;
  /** From pixels of the stored image to CSS pixels of the canvas; the same map that overlays and tools go by. */
  map: (frame: Frame) => Affine;
}

const views = new WeakMap<HTMLCanvasElement, View>();

/** Say how the images of a Cornerstone canvas are to be shown from now on. */
export function setView(canvas: HTMLCanvasElement, view: View): void {
  views.set(canvas, view);
}

interface Painted {
  canvas: HTMLCanvasElement;
  context: CanvasRenderingContext2D;
  data: ImageData;
  pixels: Uint32Array;
  key: string;
}

const painted = new WeakMap<HTMLCanvasElement, Painted>();

/** The image that was last painted for a Cornerstone canvas, a pixel for a pixel. */
export function paintedSheet(canvas: HTMLCanvasElement): HTMLCanvasElement | undefined {
  return painted.get(canvas)?.canvas;
}

type Enabled = Parameters<NonNullable<Types.IImage["render"]>>[0];

/**
 * Cornerstone's hook for drawing an image. Where the image goes is asked of the viewport's projection, as it is for
 * overlays and handles: the transform that Cornerstone's CPU path keeps beside it parts from it in a view that is
 * turned, mirrored and moved at once.
 */
function draw(enabled: Enabled, frame: Frame, paint: Paint): void {
  const canvas = enabled.canvas!;
  const view = views.get(canvas);
  if (!view) return;
  const sheet = sheetFor(canvas, frame.columns, frame.rows);
  const key = keyOf(frame, view.look);
  if (sheet.key !== key) {
    paint(view.look, sheet.pixels);
    sheet.context.putImageData(sheet.data, 0, 0);
    sheet.key = key;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "black";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const { a, b, c, d, e, f } = view.map(frame);
  const ratio = canvas.width / (canvas.clientWidth || canvas.width);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.setTransform(a * ratio, b * ratio, c * ratio, d * ratio, e * ratio, f * ratio);
  context.drawImage(sheet.canvas, 0, 0);
}

function keyOf({ seriesInstanceUid, sopInstanceUid, frame }: Frame, { window, voiFunction, isInverse, table }: Look): string {
  return [seriesInstanceUid, sopInstanceUid, frame, window.center, window.width, voiFunction, isInverse, table?.first].join("|");
}

function sheetFor(owner: HTMLCanvasElement, width: number, height: number): Painted {
  const known = painted.get(owner);
  if (known && known.canvas.width === width && known.canvas.height === height) return known;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d")!;
  const data = context.createImageData(width, height);
  const sheet = { canvas, context, data, pixels: new Uint32Array(data.data.buffer), key: "" };
  painted.set(owner, sheet);
  return sheet;
}
