/** Frames on their way from the server to Cornerstone's cache: few at one time, the wanted ones first. */

import { cache, imageLoader, metaData, type Types } from "@cornerstonejs/core";
import type { Frame } from "../dicom/frame";
import { cross } from "../dicom/vectors";
import type { Dicomweb } from "../net/dicomweb";
import type { Part } from "../net/multipart";
import { FetchQueue } from "../net/queue";
import { decodeFrame } from "../pixels/decode";
import { type FrameImage, imageOf } from "../pixels/image";
import type { Series } from "./series";

/** A browser opens six connections to a server of HTTP/1.1. */
const FETCHES = 6;

interface Place {
  series: Series;
  index: number;
  store: FrameStore;
}

const places = new Map<string, Place>();

export class FrameStore {
  private readonly queue = new FetchQueue<FrameImage>(FETCHES);
  private readonly faults = new Map<string, string>();
  private readonly sizes = new Map<string, number>();
  private total = 0;
  /** Called when a frame is here, or is known to be broken. */
  onSettled: (imageId: string, series: Series) => void = () => undefined;

  constructor(readonly dicomweb: Dicomweb) {}

  /** Make a series known to Cornerstone; returns its image identifiers. */
  register(series: Series): string[] {
    return series.slots.map((_, index) => {
      const imageId = series.imageId(index);
      const before = places.get(imageId);
      const known = before?.series.known(before.index);
      if (known) series.learn(known);
      places.set(imageId, { series, index, store: this });
      return imageId;
    });
  }

  /** Bytes of all decoded frames. */
  get bytes(): number {
    return this.total;
  }

  loaded(): Iterable<string> {
    return this.sizes.keys();
  }

  /** Let a decoded frame go; it is fetched again when it is wanted. */
  drop(imageId: string): void {
    this.total -= this.sizes.get(imageId) ?? 0;
    this.sizes.delete(imageId);
    if (cache.getImageLoadObject(imageId)) cache.removeImageLoadObject(imageId);
  }

  isLoaded(imageId: string): boolean {
    return cache.getImage(imageId) !== undefined;
  }

  image(imageId: string): FrameImage | undefined {
    return cache.getImage(imageId) as FrameImage | undefined;
  }

  /** What the header of a frame of this store says, where that is known. */
  frameOf(imageId: string): Frame | undefined {
    return places.get(imageId)?.store === this ? headerOf(imageId) : undefined;
  }

  /** Why a frame cannot be shown, once that is known. */
  fault(imageId: string): string | undefined {
    return this.faults.get(imageId);
  }

  /** Fetch and decode, unless it is here; the promise fails with the reason. */
  load(imageId: string, priority: number): Promise<FrameImage> {
    const kept = this.image(imageId);
    if (kept) return Promise.resolve(kept);
    return this.queue.add({ key: imageId, priority, run: (signal) => this.fetch(imageId, signal) });
  }

  /** Forget that a frame failed, so that it may be tried again. */
  forgive(imageId: string): void {
    this.faults.delete(imageId);
  }

  /** Prefer other frames than before; what is not wanted any more is not fetched. */
  prefer(priorityOf: (imageId: string) => number | undefined): void {
    this.queue.reprioritise(priorityOf);
  }

  close(): void {
    this.queue.close();
    for (const [imageId, place] of places) {
      if (place.store !== this) continue;
      this.drop(imageId);
      places.delete(imageId);
    }
  }

  /** Give the queue a frame that was fetched before Cornerstone was here. */
  async adopt(imageId: string, frame: Promise<Frame>, part: Promise<Part>): Promise<FrameImage> {
    const run = async () => {
      const [header, bytes] = await Promise.all([frame, part]);
      places.get(imageId)!.series.learn(header);
      return this.finish(imageId, header, bytes);
    };
    return this.queue.add({ key: imageId, priority: -Infinity, run });
  }

  private async fetch(imageId: string, signal: AbortSignal): Promise<FrameImage> {
    const { series, index } = places.get(imageId)!;
    const slot = series.slots[index]!;
    try {
      const [frame, part] = await Promise.all([
        series.header(index),
        this.dicomweb.frame(series.studyUid, series.uid, slot.sopInstanceUid, slot.frame, signal),
      ]);
      return await this.finish(imageId, frame, part);
    } catch (error) {
      if (!signal.aborted) {
        this.faults.set(imageId, reasonOf(error));
        this.onSettled(imageId, series);
      }
      throw error;
    }
  }

  private async finish(imageId: string, frame: Frame, part: Part): Promise<FrameImage> {
    const decoded = await decodeFrame(part, frame);
    const image = await imageOf(imageId, frame, decoded, (uri) => this.dicomweb.bulk(uri));
    if (!cache.getImageLoadObject(imageId)) {
      await cache.putImageLoadObject(imageId, { promise: Promise.resolve(image) });
      this.sizes.set(imageId, image.sizeInBytes);
      this.total += image.sizeInBytes;
    }
    this.onSettled(imageId, places.get(imageId)!.series);
    return image;
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Tell Cornerstone how frames are loaded and what their headers say. Once for the page. */
export function teachCornerstone(): void {
  imageLoader.registerImageLoader("coread", (imageId) => ({
    promise: places.get(imageId)!.store.load(imageId, -1) as Promise<Types.IImage>,
  }));
  metaData.addProvider((type: string, imageId: unknown) => {
    if (typeof imageId !== "string" || !imageId.startsWith("coread:")) return undefined;
    const frame = headerOf(imageId);
    return frame && MODULES[type]?.(frame);
  }, 10_000);
}

function headerOf(imageId: string): Frame | undefined {
  const place = places.get(imageId);
  return place && (place.series.known(place.index) ?? place.store.image(imageId)?.frame);
}

const MODULES: Record<string, (frame: Frame) => object | undefined> = {
  imagePlaneModule: plane,
  imagePixelModule: (frame) => ({
    samplesPerPixel: frame.samplesPerPixel,
    photometricInterpretation: frame.photometric,
    rows: frame.rows,
    columns: frame.columns,
    bitsAllocated: frame.bitsAllocated,
    bitsStored: frame.bitsStored,
    highBit: frame.highBit,
    pixelRepresentation: frame.isSigned ? 1 : 0,
    planarConfiguration: 0,
  }),
  generalSeriesModule: (frame) => ({
    modality: frame.modality,
    seriesInstanceUID: frame.seriesInstanceUid,
    studyInstanceUID: frame.studyInstanceUid,
  }),
  generalImageModule: (frame) => ({ sopInstanceUID: frame.sopInstanceUid, instanceNumber: frame.instanceNumber }),
  sopCommonModule: (frame) => ({ sopClassUID: frame.sopClassUid, sopInstanceUID: frame.sopInstanceUid }),
  voiLutModule: (frame) => ({
    windowCenter: frame.windows.map((window) => window.center),
    windowWidth: frame.windows.map((window) => window.width),
  }),
  modalityLutModule: () => ({ rescaleSlope: 1, rescaleIntercept: 0 }),
};

/** Where the image lies; one that says nothing lies in a plane of its own. */
export function plane(frame: Frame) {
  const row = frame.rowDirection ?? [1, 0, 0];
  const column = frame.columnDirection ?? [0, 1, 0];
  return {
    frameOfReferenceUID: frame.frameOfReferenceUid || `coread:${frame.seriesInstanceUid}`,
    rows: frame.rows,
    columns: frame.columns,
    imageOrientationPatient: [...row, ...column],
    rowCosines: row,
    columnCosines: column,
    scanAxisNormal: cross(row as [number, number, number], column as [number, number, number]),
    imagePositionPatient: frame.position_mm ?? [0, 0, 0],
    rowPixelSpacing: frame.spacing.row_mm,
    columnPixelSpacing: frame.spacing.column_mm,
    pixelSpacing: [frame.spacing.row_mm, frame.spacing.column_mm],
    sliceThickness: frame.sliceThickness_mm,
    usingDefaultValues: frame.position_mm === undefined,
  };
}
