/** Window presets by modality; keys 1 to 9. */

import type { Window } from "../dicom/frame";
import type { FrameImage } from "../pixels/image";
import type { TextKey } from "../text/catalogue";

export interface Preset {
  name: TextKey;
  /** Undefined: as the header says. */
  window: (image: FrameImage, now: Window) => Window | undefined;
}

const fixed = (width: number, center: number) => () => ({ width, center, label: "" });

// Widths and centres in common use: Murphy A et al., "Windowing (CT)", Radiopaedia.org, rID-52108.
const CT: Preset[] = [
  { name: "preset_soft", window: fixed(400, 50) },
  { name: "preset_lung", window: fixed(1500, -600) },
  { name: "preset_mediastinum", window: fixed(350, 50) },
  { name: "preset_bone", window: fixed(1800, 400) },
  { name: "preset_brain", window: fixed(80, 40) },
  { name: "preset_stroke", window: fixed(40, 40) },
  { name: "preset_liver", window: fixed(150, 30) },
  { name: "preset_spine", window: fixed(250, 50) },
  { name: "preset_header", window: nextOfHeader },
];

const OTHERS: Preset[] = [
  { name: "preset_header", window: nextOfHeader },
  { name: "preset_whole", window: wholeRange },
  { name: "preset_middle", window: (image) => middle(image, 0.05) },
  { name: "preset_narrow", window: (_, now) => ({ ...now, width: Math.max(1, now.width / 1.5) }) },
  { name: "preset_wide", window: (_, now) => ({ ...now, width: now.width * 1.5 }) },
];

export function presetsOf(modality: string): Preset[] {
  return modality === "CT" ? CT : OTHERS;
}

/** As the header says; chosen again, the next of the windows that it offers. */
function nextOfHeader(image: FrameImage, now: Window): Window | undefined {
  const offered = image.frame.windows;
  const at = offered.findIndex(({ center, width }) => center === now.center && width === now.width);
  return at >= 0 && at + 1 < offered.length ? offered[at + 1] : undefined;
}

function wholeRange(image: FrameImage): Window | undefined {
  if (!image.grey) return undefined;
  const { min, max } = image.grey;
  return { center: (min + max + 1) / 2, width: Math.max(1, max - min + 1), label: "" };
}

/** The window that leaves out a share of the darkest and as much of the brightest pixels. */
export function middle(image: FrameImage, share: number): Window | undefined {
  if (!image.grey) return undefined;
  const { values, padding } = image.grey;
  const step = Math.max(1, Math.floor(values.length / 50_000));
  const some: number[] = [];
  for (let i = 0; i < values.length; i += step) {
    const value = values[i]!;
    if (!padding || value < padding[0] || value > padding[1]) some.push(value);
  }
  some.sort((a, b) => a - b);
  const low = some[Math.floor(some.length * share)] ?? 0;
  const high = some[Math.ceil(some.length * (1 - share)) - 1] ?? 1;
  return { center: (low + high + 1) / 2, width: Math.max(1, high - low + 1), label: "" };
}
