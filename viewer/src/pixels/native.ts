/** Native (uncompressed, little-endian) frames: from bytes to stored values (PS3.5 section 8). */

import type { Frame } from "../dicom/frame";

export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array;

export class PixelFault extends Error {}

export const NATIVE = new Set(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]);

/** Stored values of a frame, grey or interleaved colour. */
export function nativeSamples(bytes: Uint8Array, frame: Frame): Samples {
  const count = frame.rows * frame.columns * frame.samplesPerPixel;
  if (!count) throw new PixelFault("an image without rows or columns");
  const needed = Math.ceil((count * frame.bitsAllocated) / 8);
  if (bytes.length < needed) throw new PixelFault(`${bytes.length} bytes of pixels where ${needed} are needed`);
  if (frame.bitsAllocated === 1) return unpacked(bytes, count);
  const samples = view(aligned(bytes), count, frame);
  return samples instanceof Float32Array ? samples : withinStoredBits(samples, frame);
}

function unpacked(bytes: Uint8Array, count: number): Uint8Array {
  const bits = new Uint8Array(count);
  for (let i = 0; i < count; i++) bits[i] = (bytes[i >> 3]! >> (i & 7)) & 1;
  return bits;
}

/** A typed array needs its bytes to begin at a multiple of its width. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

function view(bytes: Uint8Array, count: number, frame: Frame): Samples {
  const { buffer, byteOffset } = bytes;
  if (frame.isFloat) {
    return frame.bitsAllocated === 64
      ? Float32Array.from(new Float64Array(buffer, byteOffset, count))
      : new Float32Array(buffer, byteOffset, count);
  }
  switch (frame.bitsAllocated) {
    case 8:
      return frame.isSigned ? new Int8Array(buffer, byteOffset, count) : new Uint8Array(buffer, byteOffset, count);
    case 16:
      return frame.isSigned ? new Int16Array(buffer, byteOffset, count) : new Uint16Array(buffer, byteOffset, count);
    case 32:
      return frame.isSigned ? new Int32Array(buffer, byteOffset, count) : new Uint32Array(buffer, byteOffset, count);
    default:
      throw new PixelFault(`${frame.bitsAllocated} bits allocated`);
  }
}

/** Bits beyond Bits Stored are no part of the value (old overlays lie there); the sign bit is High Bit. */
function withinStoredBits(samples: Exclude<Samples, Float32Array>, frame: Frame): Samples {
  const unused = frame.bitsAllocated - frame.bitsStored;
  if (unused <= 0) return samples;
  const raised = 31 - frame.highBit;
  const lowered = 32 - frame.bitsStored;
  const fits = (value: number) => (frame.isSigned ? (value << raised) >> lowered : (value << raised) >>> lowered) === value;
  if (samples.every(fits)) return samples;
  const cut = samples.slice();
  for (let i = 0; i < cut.length; i++) {
    cut[i] = frame.isSigned ? (cut[i]! << raised) >> lowered : (cut[i]! << raised) >>> lowered;
  }
  return cut;
}
