/** A segment as a volume, cut by any plane. */

import { type Frame, normalOf } from "../dicom/frame";
import { type Vector, dot, minus } from "../dicom/vectors";
import { plane } from "../study/store";
import type { Affine } from "./affine";
import type { Sheet } from "./layer";
import { rgbOf } from "./segments";

interface Slice {
  frame: Frame;
  strength: Uint8Array;
  /** Place along the normal of all. */
  height_mm: number;
}

/** A plane as it is seen: a place in it, directions along rows and columns of the picture, millimetres per step. */
export interface Window {
  origin: Vector;
  right: Vector;
  down: Vector;
  step_mm: number;
  columns: number;
  rows: number;
}

const FILL = 0.5;

export class SegmentVolume {
  private readonly slices: Slice[];
  private readonly normal: Vector;
  private readonly reach_mm: number;

  /** Slices must lie parallel; undefined where they do not, or there are none. */
  static of(slices: { frame: Frame; strength: Uint8Array }[]): SegmentVolume | undefined {
    const normal = slices[0] && normalOf(slices[0].frame);
    const isSound = normal && slices.every(({ frame }) => frame.position_mm && Math.abs(dot(normalOf(frame)!, normal)) > 0.99);
    return isSound ? new SegmentVolume(slices, normal) : undefined;
  }

  private constructor(slices: { frame: Frame; strength: Uint8Array }[], normal: Vector) {
    this.normal = normal;
    this.slices = slices
      .map((slice) => ({ ...slice, height_mm: dot(slice.frame.position_mm!, normal) }))
      .sort((a, b) => a.height_mm - b.height_mm);
    const gaps = this.slices.slice(1).map(({ height_mm }, i) => height_mm - this.slices[i]!.height_mm);
    const least = Math.min(...gaps.filter((gap) => gap > 1e-3));
    this.reach_mm = (Number.isFinite(least) ? least : (slices[0]!.frame.sliceThickness_mm ?? 1)) / 2 + 1e-6;
  }

  /** The cut as a picture, each of its pixels the nearest of the segment. */
  cut(id: string, window: Window, colour: string, map: Affine): Sheet {
    const picture = document.createElement("canvas");
    picture.width = window.columns;
    picture.height = window.rows;
    const context = picture.getContext("2d")!;
    const data = context.createImageData(window.columns, window.rows);
    const [red, green, blue] = rgbOf(colour);
    this.sample(window, (at, strength) => data.data.set([red, green, blue, strength * FILL], at * 4));
    context.putImageData(data, 0, 0);
    return { id, picture, map, isSmooth: false };
  }

  /** Call `found` for each pixel of the picture that lies in the segment. */
  sample(window: Window, found: (at: number, strength: number) => void): void {
    for (let row = 0; row < window.rows; row++) {
      for (let column = 0; column < window.columns; column++) {
        const strength = this.at(placeIn(window, column + 0.5, row + 0.5));
        if (strength > 0) found(row * window.columns + column, strength);
      }
    }
  }

  private at(place: Vector): number {
    const slice = this.nearest(dot(place, this.normal));
    if (!slice) return 0;
    const { frame, strength } = slice;
    const { rowCosines, columnCosines } = plane(frame);
    const off = minus(place, frame.position_mm!);
    const column = Math.round(dot(off, rowCosines as Vector) / frame.spacing.column_mm);
    const row = Math.round(dot(off, columnCosines as Vector) / frame.spacing.row_mm);
    const isInside = column >= 0 && row >= 0 && column < frame.columns && row < frame.rows;
    return isInside ? strength[row * frame.columns + column]! : 0;
  }

  private nearest(height_mm: number): Slice | undefined {
    let [low, high] = [0, this.slices.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.slices[middle]!.height_mm < height_mm - this.reach_mm) low = middle + 1;
      else high = middle;
    }
    const slice = this.slices[low];
    return slice && Math.abs(slice.height_mm - height_mm) <= this.reach_mm ? slice : undefined;
  }
}

function placeIn({ origin, right, down, step_mm }: Window, x: number, y: number): Vector {
  const [across, along] = [x * step_mm, y * step_mm];
  return [
    origin[0] + right[0] * across + down[0] * along,
    origin[1] + right[1] * across + down[1] * along,
    origin[2] + right[2] * across + down[2] * along,
  ];
}
