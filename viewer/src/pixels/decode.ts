/** From the bytes of a frame to its samples. Compressed ones go to codecs that are loaded only then. */

import type { Frame } from "../dicom/frame";
import { type Part, transferSyntaxOf } from "../net/multipart";
import { rleSamples } from "./rle";
import { NATIVE, PixelFault, type Samples, nativeSamples } from "./native";

const RLE = "1.2.840.10008.1.2.5";
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";

export interface Decoded {
  samples: Samples;
  rows: number;
  columns: number;
  /** Samples of one pixel: 1 grey or palette, 3 RGB, 4 RGBA. */
  channels: number;
}

export async function decodeFrame(part: Part, frame: Frame): Promise<Decoded> {
  const syntax = transferSyntaxOf(part.contentType) ?? "1.2.840.10008.1.2.1";
  if (NATIVE.has(syntax)) {
    return checked({ samples: rgbWhere(frame, nativeSamples(part.bytes, frame)), ...shape(frame) }, frame);
  }
  if (syntax === RLE) return checked({ samples: rgbWhere(frame, rleSamples(part.bytes, frame)), ...shape(frame) }, frame);
  if (syntax === JPEG_BASELINE) return checked(await byBrowser(part.bytes, frame), frame);
  return checked(await byCodec(part.bytes, syntax, frame), frame);
}

function shape(frame: Frame) {
  return { rows: frame.rows, columns: frame.columns, channels: frame.samplesPerPixel };
}

function checked(decoded: Decoded, frame: Frame): Decoded {
  if (decoded.rows !== frame.rows || decoded.columns !== frame.columns) {
    throw new PixelFault(
      `${decoded.columns} x ${decoded.rows} pixels where the header says ${frame.columns} x ${frame.rows}`,
    );
  }
  const needed = decoded.rows * decoded.columns * decoded.channels;
  if (decoded.samples.length < needed) throw new PixelFault(`${decoded.samples.length} samples where ${needed} are needed`);
  return decoded;
}

/** JPEG baseline by the browser's own decoder; what comes out is red, green, blue. */
async function byBrowser(bytes: Uint8Array, frame: Frame): Promise<Decoded> {
  const blob = new Blob([bytes as BlobPart], { type: "image/jpeg" });
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  if (frame.samplesPerPixel > 1) return { samples: new Uint8Array(data.buffer), rows: height, columns: width, channels: 4 };
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = data[i * 4]!;
  return { samples: grey, rows: height, columns: width, channels: 1 };
}

async function byCodec(bytes: Uint8Array, syntax: string, frame: Frame): Promise<Decoded> {
  const { decodeInWorker } = await import("./codecs");
  const found = await decodeInWorker(bytes, syntax, frame);
  const samples = rgbWhere(frame, asHeaderSays(found.samples, frame));
  return { samples, rows: found.rows, columns: found.columns, channels: frame.samplesPerPixel };
}

function rgbWhere(frame: Frame, samples: Samples): Samples {
  return frame.photometric.startsWith("YBR_FULL") ? rgbOfYbr(samples) : samples;
}

/** A codestream may say that its values are unsigned where the header says signed; the header is right. */
function asHeaderSays(samples: Samples, frame: Frame): Samples {
  const { buffer, byteOffset, length } = samples;
  if (frame.isSigned && samples instanceof Uint16Array) {
    const shift = 32 - frame.bitsStored;
    return new Int16Array(buffer, byteOffset, length).map((value) => (value << shift) >> shift);
  }
  if (frame.isSigned && samples instanceof Uint8Array) {
    const shift = 32 - frame.bitsStored;
    return new Int8Array(buffer, byteOffset, length).map((value) => (value << shift) >> shift);
  }
  return samples;
}

/** YBR_FULL to RGB (PS3.3 C.7.6.3.1.2). */
export function rgbOfYbr(samples: Samples): Uint8ClampedArray<ArrayBuffer> & Samples {
  const rgb = new Uint8ClampedArray(samples.length);
  for (let i = 0; i + 2 < samples.length; i += 3) {
    const y = samples[i]!;
    const blue = samples[i + 1]! - 128;
    const red = samples[i + 2]! - 128;
    rgb[i] = y + 1.402 * red;
    rgb[i + 1] = y - 0.344136 * blue - 0.714136 * red;
    rgb[i + 2] = y + 1.772 * blue;
  }
  return rgb as unknown as Uint8ClampedArray<ArrayBuffer> & Samples;
}
