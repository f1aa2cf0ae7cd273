/** Cornerstone's decoders, in workers of their own. */

import { type Remote, wrap } from "comlink";
import type { Frame } from "../dicom/frame";
import { PixelFault, type Samples } from "./native";

interface DecodeTask {
  imageFrame: Record<string, unknown>;
  transferSyntax: string;
  pixelData: Uint8Array;
  options: { preScale: { enabled: boolean } };
  decodeConfig: object;
}

interface DecodedFrame {
  pixelData: Samples;
  rows: number;
  columns: number;
}

interface Decoder {
  decodeTask(task: DecodeTask): Promise<DecodedFrame>;
}

const PATIENCE_MS = 60_000;
const workers: { decoder: Remote<Decoder>; worker: Worker; busy: number }[] = [];

export async function decodeInWorker(bytes: Uint8Array, syntax: string, frame: Frame) {
  const seat = freeSeat();
  seat.busy += 1;
  try {
    const task = taskOf(bytes, syntax, frame);
    const found = await Promise.race([seat.decoder.decodeTask(task), silence()]);
    return { samples: found.pixelData, rows: found.rows, columns: found.columns };
  } catch (error) {
    throw new PixelFault(error instanceof Error ? error.message : `the decoder gave up (${String(error)})`);
  } finally {
    seat.busy -= 1;
  }
}

function taskOf(bytes: Uint8Array, transferSyntax: string, frame: Frame): DecodeTask {
  return {
    imageFrame: {
      rows: frame.rows,
      columns: frame.columns,
      samplesPerPixel: frame.samplesPerPixel,
      photometricInterpretation: frame.photometric,
      planarConfiguration: 0,
      bitsAllocated: frame.bitsAllocated,
      bitsStored: frame.bitsStored,
      pixelRepresentation: frame.isSigned ? 1 : 0,
    },
    transferSyntax,
    pixelData: bytes,
    options: { preScale: { enabled: false } },
    decodeConfig: {},
  };
}

function freeSeat() {
  const limit = Math.min(4, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
  const idle = workers.find((seat) => seat.busy === 0);
  if (idle) return idle;
  if (workers.length < limit) {
    const worker = new Worker(new URL("./decoders.worker.ts", import.meta.url), { type: "module" });
    workers.push({ decoder: wrap<Decoder>(worker), worker, busy: 0 });
    return workers.at(-1)!;
  }
  return workers.reduce((least, seat) => (seat.busy < least.busy ? seat : least));
}

/** A codec that hangs on a broken frame must not hold the others up for ever. */
function silence(): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new PixelFault("the decoder did not answer")), PATIENCE_MS));
}
