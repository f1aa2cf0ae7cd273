/** Palette colour to red, green, blue (PS3.3 C.7.6.3.1.5 and .6). */

import type { Frame } from "../dicom/frame";
import { PixelFault, type Samples } from "./native";

export function rgbOfPalette(samples: Samples, frame: Frame, tables: Uint8Array[]): Uint8Array {
  const channels = frame.palette!.map((palette, i) => byteTable(palette.descriptor, tables[i]!));
  const first = signedFirst(frame.palette![0]!.descriptor[1]!, frame.isSigned);
  const [red, green, blue] = channels as [Uint8Array, Uint8Array, Uint8Array];
  const last = red.length - 1;
  const rgb = new Uint8Array(samples.length * 3);
  for (let i = 0; i < samples.length; i++) {
    const at = Math.min(last, Math.max(0, samples[i]! - first));
    rgb[i * 3] = red[at]!;
    rgb[i * 3 + 1] = green[at]!;
    rgb[i * 3 + 2] = blue[at]!;
  }
  return rgb;
}

function byteTable(descriptor: number[], bytes: Uint8Array): Uint8Array {
  const count = descriptor[0] || 65536;
  if (bytes.length < count) throw new PixelFault("a palette that is cut short");
  if (bytes.length < count * 2) return bytes.slice(0, count);
  const words = new Uint16Array(bytes.slice(0, count * 2).buffer);
  // Some writers put 8-bit entries into words, without the shift that 16 bits need.
  const isNarrow = descriptor[2] === 8 || words.every((word) => word < 256);
  return Uint8Array.from(words, (word) => (isNarrow ? word & 255 : word >> 8));
}

function signedFirst(first: number, isSigned: boolean): number {
  return isSigned && first > 32767 ? first - 65536 : first;
}
