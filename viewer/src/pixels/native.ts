/** Native (uncompressed, little-endian) frames: from bytes to stored values (PS3.5 section 8). */

import type { Frame } from "../dicom/frame";

export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array;

export class PixelFault extends Error {}

export const NATIVE = new Set(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]);

/** Stored values of a frame: grey, or colour with the samples of each pixel together. */
export function nativeSamples(bytes: Uint8Array, frame: Frame): Samples {
  return together(storedSamples(bytes, frame), frame);
}

/** Two pixels share their colour differences (PS3.3 C.7.6.3.1.2). */
const isHalved = (frame: Frame) => frame.photometric === "YBR_FULL_422" && frame.samplesPerPixel === 3;

function storedSamples(bytes: Uint8Array, frame: Frame): Samples {
  const count = frame.rows * frame.columns * (isHalved(frame) ? 2 : frame.samplesPerPixel);
  if (!count) throw new PixelFault("an image without rows or columns");
  const needed = Math.ceil((count * frame.bitsAllocated) / 8);
  if (bytes.length < needed) throw new PixelFault(`${bytes.length} bytes of pixels where ${needed} are needed`);
  if (frame.bitsAllocated === 1) return unpacked(bytes, count);
  const samples = view(aligned(bytes), count, frame);
  return samples instanceof Float32Array ? samples : withinStoredBits(samples, frame);
}

function together(samples: Samples, frame: Frame): Samples {
  if (isHalved(frame)) return doubled(samples);
  if (frame.samplesPerPixel > 1 && frame.planarConfiguration === 1) return interleaved(samples, frame.samplesPerPixel);
  return samples;
}

/** Give each of two pixels the colour differences that they share: Y Y Cb Cr to Y Cb Cr Y Cb Cr. */
function doubled(samples: Samples): Samples {
  const full = new (samples.constructor as Uint8ArrayConstructor)((samples.length / 2) * 3);
  for (let i = 0, j = 0; i + 3 < samples.length; i += 4, j += 6) {
    full[j] = samples[i]!;
    full[j + 3] = samples[i + 1]!;
    full[j + 1] = full[j + 4] = samples[i + 2]!;
    full[j + 2] = full[j + 5] = samples[i + 3]!;
  }
  return full;
}

/** From one plane after the other to pixel after pixel (Planar Configuration 1). */
function interleaved(samples: Samples, channels: number): Samples {
  const pixels = samples.length / channels;
  const mixed = new (samples.constructor as Uint8ArrayConstructor)(samples.length);
  for (let i = 0; i < pixels; i++) {
    for (let channel = 0; channel < channels; channel++) mixed[i * channels + channel] = samples[channel * pixels + i]!;
  }
  return mixed;
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
