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

/** A segmented palette's entries (PS3.3 C.7.9.2): values, lines between values, and repeats of segments. */
export function expandSegments(bytes: Uint8Array, bits: number): Uint8Array {
  const words = bits === 8 ? Uint16Array.from(bytes) : new Uint16Array(bytes.slice(0, bytes.length & ~1).buffer);
  const entries: number[] = [];
  walk(words, 0, words.length, entries, true);
  return new Uint8Array(Uint16Array.from(entries).buffer);
}

function walk(words: Uint16Array, from: number, segments: number, entries: number[], mayRepeat: boolean): void {
  for (let at = from, done = 0; at + 1 < words.length && done < segments && entries.length <= 65536; done++) {
    const [kind, length] = [words[at]!, words[at + 1]!];
    if (kind === 0) {
      entries.push(...words.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    } else if (kind === 1) {
      const [start, end] = [entries.at(-1) ?? 0, words[at + 2] ?? 0];
      for (let i = 1; i <= length; i++) entries.push(Math.round(start + ((end - start) * i) / length));
      at += 3;
    } else if (kind === 2 && mayRepeat) {
      // The offset counts bytes; 16-bit words stand in two.
      walk(words, (words[at + 2]! + words[at + 3]! * 65536) / 2, length, entries, false);
      at += 4;
    } else {
      throw new PixelFault("a segmented palette that cannot be read");
    }
  }
}

function signedFirst(first: number, isSigned: boolean): number {
  return isSigned && first > 32767 ? first - 65536 : first;
}
