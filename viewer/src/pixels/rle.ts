/**
 * RLE Lossless (PS3.5 annex G). Cornerstone's decoder keeps one sample only of 16-bit colour, hence this one.
 */

import type { Frame } from "../dicom/frame";
import { PixelFault, type Samples, nativeSamples } from "./native";

const HEADER_BYTES = 64;

/** Samples of a frame, colour interleaved. */
export function rleSamples(bytes: Uint8Array, frame: Frame): Samples {
  const width = Math.max(1, frame.bitsAllocated >> 3);
  const planes = width * frame.samplesPerPixel;
  const pixels = frame.rows * frame.columns;
  const offsets = segmentOffsets(bytes, planes);
  const length = frame.bitsAllocated === 1 ? Math.ceil(pixels / 8) : pixels;
  const native = new Uint8Array(length * planes);
  offsets.forEach((offset, segment) => {
    const sample = Math.floor(segment / width);
    // Most significant byte first in the stream, last in memory.
    const start = sample * width + (width - 1 - (segment % width));
    const end = offsets[segment + 1] ?? bytes.length;
    expand(bytes.subarray(offset, end), native, start, planes, length);
  });
  return nativeSamples(native, frame);
}

function segmentOffsets(bytes: Uint8Array, planes: number): number[] {
  if (bytes.length < HEADER_BYTES) throw new PixelFault("an RLE frame without its header");
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const count = header.getUint32(0, true);
  if (count !== planes) throw new PixelFault(`${count} RLE segments where ${planes} are needed`);
  return Array.from({ length: count }, (_, i) => header.getUint32(4 + i * 4, true));
}

/** PackBits: a run of bytes as they are, or one byte many times. */
function expand(packed: Uint8Array, native: Uint8Array, start: number, step: number, count: number): void {
  let [at, out, left] = [0, start, count];
  while (at < packed.length && left > 0) {
    const code = packed[at++]!;
    if (code === 128) continue;
    const isRun = code > 128;
    const length = Math.min(left, isRun ? 257 - code : code + 1);
    if (at + (isRun ? 1 : length) > packed.length) break;
    for (let i = 0; i < length; i++, out += step) native[out] = packed[isRun ? at : at + i]!;
    at += isRun ? 1 : code + 1;
    left -= length;
  }
  if (left > 0) throw new PixelFault(`an RLE segment that is ${left} bytes short`);
}
