/** A heat map as a picture: transparent where nothing was found, through orange to yellow where much was. */

import { bytesOfBase64 } from "../dicom/model";
import type { Overlay } from "../types";

type HeatMap = NonNullable<Overlay["heatMap"]>;

const drawn = new WeakMap<HeatMap, HTMLCanvasElement>();

// Stops of value, red, green, blue, opacity: readable on grey for colour-blind eyes too (lightness rises with the value).
const STOPS: [number, number, number, number, number][] = [
  [0, 60, 10, 90, 0],
  [0.15, 90, 20, 110, 0.12],
  [0.4, 190, 50, 80, 0.55],
  [0.7, 245, 125, 20, 0.8],
  [1, 252, 255, 120, 0.95],
];

/** One picture pixel for each value of the grid. Values outside 0..1 are clipped, what is no number is clear. */
export function heatMapPicture(map: HeatMap): HTMLCanvasElement {
  const known = drawn.get(map);
  if (known) return known;
  const values = gridValues(map);
  const canvas = document.createElement("canvas");
  canvas.width = map.columns;
  canvas.height = map.rows;
  const context = canvas.getContext("2d")!;
  const picture = context.createImageData(map.columns, map.rows);
  values.forEach((value, i) => picture.data.set(colourOf(value), i * 4));
  context.putImageData(picture, 0, 0);
  drawn.set(map, canvas);
  return canvas;
}

export function gridValues(map: HeatMap): Float32Array {
  const bytes = bytesOfBase64(map.values);
  const count = map.rows * map.columns;
  if (bytes.length < count * 4) throw new Error(`a heat map of ${bytes.length / 4} values where ${count} are needed`);
  const reader = new DataView(bytes.buffer);
  return Float32Array.from({ length: count }, (_, i) => reader.getFloat32(i * 4, true));
}

export function colourOf(value: number): [number, number, number, number] {
  if (!Number.isFinite(value)) return [0, 0, 0, 0];
  const level = Math.min(1, Math.max(0, value));
  const at = Math.max(1, STOPS.findIndex(([stop]) => level <= stop));
  const low = STOPS[at - 1]!;
  const high = STOPS[at]!;
  const part = (level - low[0]) / (high[0] - low[0]);
  const mix = (i: 1 | 2 | 3 | 4) => low[i] + (high[i] - low[i]) * part;
  return [mix(1), mix(2), mix(3), mix(4) * 255];
}
