/** Segments of Segmentation objects (PS3.3 A.51), fetched frame by frame as images come into sight. */

import { type Frame, frameOf, normalOf } from "../dicom/frame";
import { type Model, item, items, number, numbers, text } from "../dicom/model";
import { functionalGroup } from "../dicom/spacing";
import { type Vector, dot, minus } from "../dicom/vectors";
import type { Dicomweb } from "../net/dicomweb";
import { decodeFrame } from "../pixels/decode";
import type { Samples } from "../pixels/native";
import { reasonOf } from "../study/store";
import type { Overlay } from "../types";
import { type Affine } from "./affine";
import { type Sheet, colourOfOverlay } from "./layer";

/** Whatever shows an image: it knows where the pixels of a frame stand. */
export interface Mapper {
  mapOf(frame: Frame): Affine;
}

/** One frame of a Segmentation. */
export interface SegmentFrame {
  number: number;
  segment: number;
  /** `SOP Instance UID/frame` of the images it was made from. */
  sources: string[];
  position_mm: Vector | undefined;
}

interface Segmentation {
  model: Model;
  frames: SegmentFrame[];
  type: string;
  most: number;
}

interface Picture {
  canvas: HTMLCanvasElement;
  frame: Frame;
}

const objects = new Map<string, Promise<Segmentation>>();
const pictures = new Map<string, Picture | "coming" | "failed">();

/** Pictures kept at most; each takes up to a few megabytes. */
const MOST_PICTURES = 64;

const FILL = 0.45;
const EDGE = 0.95;

/** The pictures that lie over a frame now; those not here yet are fetched, then `arrived` is called. */
export function sheetsOf(
  pane: Mapper,
  frame: Frame,
  overlays: Overlay[],
  dicomweb: Dicomweb,
  arrived: () => void,
  failed: (reason: string) => void,
): Sheet[] {
  return overlays.flatMap((overlay) => {
    const key = `${overlay.id}/${frame.sopInstanceUid}/${frame.frame}/${colourOfOverlay(overlay)}`;
    const known = pictures.get(key);
    if (known === undefined) {
      remember(key, "coming");
      void fetchPicture(overlay, frame, dicomweb).then(
        (picture) => {
          remember(key, picture ?? "failed");
          arrived();
        },
        (error: unknown) => {
          remember(key, "failed");
          failed(reasonOf(error));
        },
      );
    }
    if (known === undefined || typeof known === "string") return [];
    return [{ id: overlay.id, picture: known.canvas, map: mapOf(pane, frame, known), isSmooth: false }];
  });
}

function remember(key: string, picture: Picture | "coming" | "failed"): void {
  pictures.delete(key);
  pictures.set(key, picture);
  for (const oldest of pictures.keys()) {
    if (pictures.size <= MOST_PICTURES) return;
    pictures.delete(oldest);
  }
}

/** By its own place in the patient where it has one, else spread over its source. */
function mapOf(pane: Mapper, source: Frame, { frame, canvas }: Picture): Affine {
  if (frame.position_mm && source.position_mm) return pane.mapOf(frame);
  const map = pane.mapOf(source);
  const [x, y] = [source.columns / canvas.width, source.rows / canvas.height];
  return { ...map, a: map.a * x, b: map.b * x, c: map.c * y, d: map.d * y };
}

/** All frames of a segment, for a volume of it: strength 0..255 of each pixel, with the header of the frame. */
export async function segmentSlices(
  overlay: Overlay,
  study: string,
  dicomweb: Dicomweb,
): Promise<{ frame: Frame; strength: Uint8Array }[]> {
  const { seriesInstanceUid, sopInstanceUid, segmentNumber } = overlay.seg!;
  const object = await segmentation(study, seriesInstanceUid, sopInstanceUid, dicomweb);
  const isOurs = ({ segment }: SegmentFrame) => object.type === "LABELMAP" || segment === segmentNumber;
  const strength = strengthOf(object, segmentNumber);
  const slices: { frame: Frame; strength: Uint8Array }[] = [];
  for (const { number } of object.frames.filter(isOurs)) {
    const frame = frameOf(object.model, number);
    const part = await dicomweb.frame(study, seriesInstanceUid, sopInstanceUid, number);
    const { samples } = await decodeFrame(part, frame);
    slices.push({ frame, strength: Uint8Array.from(samples as Uint8Array, (value) => 255 * strength(value)) });
  }
  return slices;
}

async function fetchPicture(overlay: Overlay, frame: Frame, dicomweb: Dicomweb): Promise<Picture | undefined> {
  const { seriesInstanceUid, sopInstanceUid, segmentNumber } = overlay.seg!;
  const object = await segmentation(frame.studyInstanceUid, seriesInstanceUid, sopInstanceUid, dicomweb);
  const found = framesOver(object.frames, frame, object.type === "LABELMAP" ? undefined : segmentNumber)[0];
  if (!found) return undefined;
  const facts = frameOf(object.model, found.number);
  const part = await dicomweb.frame(frame.studyInstanceUid, seriesInstanceUid, sopInstanceUid, found.number);
  const { samples } = await decodeFrame(part, facts);
  const strength = strengthOf(object, segmentNumber);
  return { canvas: picture(samples, facts, strength, colourOfOverlay(overlay)), frame: facts };
}

function segmentation(study: string, series: string, sop: string, dicomweb: Dicomweb): Promise<Segmentation> {
  const known = objects.get(sop);
  if (known) return known;
  const asked = dicomweb.instanceMetadata(study, series, sop).then((model) => ({
    model,
    frames: segmentFrames(model),
    type: text(model, "00620001"),
    most: number(model, "0062000E") ?? 255,
  }));
  objects.set(sop, asked);
  asked.catch(() => objects.delete(sop));
  return asked;
}

export function segmentFrames(model: Model): SegmentFrame[] {
  const count = number(model, "00280008") ?? 1;
  return Array.from({ length: count }, (_, i) => {
    const place = numbers(functionalGroup(model, i + 1, "00209113"), "00200032");
    return {
      number: i + 1,
      segment: number(functionalGroup(model, i + 1, "0062000A"), "0062000B") ?? 1,
      sources: sourcesOf(model, i + 1),
      position_mm: place.length === 3 ? (place as Vector) : undefined,
    };
  });
}

function sourcesOf(model: Model, frame: number): string[] {
  const own = items(model, "52009230")[frame - 1];
  const sources = items(item(own, "00089124"), "00082112");
  return sources.flatMap((source) => {
    const uid = text(source, "00081155");
    const frames = numbers(source, "00081160");
    return (frames.length ? frames : [1]).map((number) => `${uid}/${number}`);
  });
}

/** Frames of a segment that lie over an image: by what they were made from, else by place. */
export function framesOver(frames: SegmentFrame[], frame: Frame, segment: number | undefined): SegmentFrame[] {
  const ofSegment = frames.filter((one) => segment === undefined || one.segment === segment);
  const named = ofSegment.filter((one) => one.sources.includes(`${frame.sopInstanceUid}/${frame.frame}`));
  if (named.length > 0) return named;
  const normal = normalOf(frame);
  if (!normal || !frame.position_mm) return [];
  const within_mm = Math.max(0.01, (frame.sliceThickness_mm ?? 1) / 2 - 1e-3);
  return ofSegment.filter(
    (one) =>
      one.sources.length === 0 &&
      one.position_mm &&
      Math.abs(dot(minus(one.position_mm, frame.position_mm!), normal)) <= within_mm,
  );
}

function strengthOf(object: Segmentation, segment: number): (value: number) => number {
  if (object.type === "LABELMAP") return (value) => (value === segment ? 1 : 0);
  if (object.type === "FRACTIONAL") return (value) => Math.min(1, value / object.most);
  return (value) => (value > 0 ? 1 : 0);
}

/** The segment in its colour: filled thinly, its edge strongly. */
function picture(samples: Samples, { rows, columns }: Frame, strength: (value: number) => number, colour: string) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d")!;
  const data = context.createImageData(columns, rows);
  const [red, green, blue] = rgbOf(colour);
  const at = (row: number, column: number) =>
    row < 0 || column < 0 || row >= rows || column >= columns ? 0 : strength(samples[row * columns + column]!);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const here = at(row, column);
      if (here === 0) continue;
      const isEdge = !at(row - 1, column) || !at(row + 1, column) || !at(row, column - 1) || !at(row, column + 1);
      data.data.set([red, green, blue, 255 * here * (isEdge ? EDGE : FILL)], (row * columns + column) * 4);
    }
  }
  context.putImageData(data, 0, 0);
  return canvas;
}

/** Any CSS colour as numbers, by the browser's own reading of it. */
export function rgbOf(colour: string): [number, number, number] {
  const context = new OffscreenCanvas(1, 1).getContext("2d")!;
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}
