/** The keyboard: which key does what, and the list that is shown of it. */

import type { Say, TextKey } from "../text/catalogue";

export type Action =
  | "next" | "previous" | "pageNext" | "pagePrevious" | "first" | "last" | "cine"
  | "window" | "zoom" | "pan" | "zoomIn" | "zoomOut" | "panLeft" | "panRight" | "panUp" | "panDown"
  | "invert" | "flipHorizontal" | "flipVertical" | "rotate" | "reset"
  | "length" | "angle" | "ellipse" | "probe" | "magnifier" | "deleteLast" | "setPoint"
  | "overlays" | "fade" | "compare" | "mpr" | "nextSeries" | "previousSeries" | "escape"
  | `preset${number}`;

const KEYS: Record<string, Action> = {
  ArrowDown: "next",
  ArrowRight: "next",
  ArrowUp: "previous",
  ArrowLeft: "previous",
  PageDown: "pageNext",
  PageUp: "pagePrevious",
  Home: "first",
  End: "last",
  " ": "cine",
  w: "window",
  z: "zoom",
  p: "pan",
  "+": "zoomIn",
  "=": "zoomIn",
  "-": "zoomOut",
  i: "invert",
  h: "flipHorizontal",
  v: "flipVertical",
  t: "rotate",
  "0": "reset",
  l: "length",
  g: "angle",
  c: "ellipse",
  b: "probe",
  m: "magnifier",
  Delete: "deleteLast",
  Backspace: "deleteLast",
  Enter: "setPoint",
  q: "overlays",
  f: "fade",
  x: "compare",
  y: "mpr",
  ".": "nextSeries",
  ",": "previousSeries",
  Escape: "escape",
};

const SHIFTED: Record<string, Action> = {
  ArrowLeft: "panLeft",
  ArrowRight: "panRight",
  ArrowUp: "panUp",
  ArrowDown: "panDown",
};

/** The action of a key press; undefined where it is the page's. */
export function actionOf(event: KeyboardEvent): Action | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  if (event.shiftKey && SHIFTED[event.key]) return SHIFTED[event.key];
  if (/^[1-9]$/.test(event.key)) return `preset${Number(event.key)}`;
  return KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
}

const LIST: [string, TextKey][] = [
  ["↓ →  ↑ ←", "keys_scroll"],
  ["PgDn PgUp Home End", "keys_pages"],
  ["Space", "keys_cine"],
  [", .", "keys_series"],
  ["w", "keys_window"],
  ["1 … 9", "keys_presets"],
  ["z", "keys_zoom"],
  ["p", "keys_pan"],
  ["i", "keys_invert"],
  ["h v", "keys_flip"],
  ["t", "keys_rotate"],
  ["0", "keys_reset"],
  ["l", "keys_length"],
  ["g", "keys_angle"],
  ["c", "keys_ellipse"],
  ["b", "keys_probe"],
  ["↑ ↓ ← → Enter", "keys_point"],
  ["Delete", "keys_delete"],
  ["m", "keys_magnifier"],
  ["q f", "keys_overlays"],
  ["x", "keys_compare"],
  ["y", "keys_mpr"],
  ["Esc", "keys_escape"],
];

/** Keys and what they do, for a list. */
export function keyList(say: Say): { keys: string; text: string }[] {
  return LIST.map(([keys, text]) => ({ keys, text: say(text) }));
}
