/** What stands around an image: corner texts, letters of direction, a scale. Nothing of the patient. */

import type { Frame } from "../dicom/frame";
import { type Vector, directionLetters, oppositeLetters } from "../dicom/vectors";
import { type Affine, inverse } from "../overlay/affine";
import type { Say } from "../text/catalogue";
import { element } from "./dom";
import type { Look } from "../pixels/voi";

export interface Shown {
  frame: Frame;
  index: number;
  count: number;
  look: Look;
  isInverted: boolean;
  zoom: number;
  map: Affine;
  rate: number | undefined;
  /** In place of the series text, e.g. "Coronal". */
  title?: string;
}

const CORNERS = ["top-left", "top-right", "bottom-left", "bottom-right"] as const;
const EDGES = ["top", "bottom", "left", "right"] as const;

export class Furniture {
  private readonly corners = new Map(CORNERS.map((name) => [name, element("div", `crv-corner crv-${name}`)]));
  private readonly edges = new Map(EDGES.map((name) => [name, element("div", `crv-edge crv-edge-${name}`)]));
  private readonly scaleText = element("span");
  private readonly scale = element("div", "crv-scale", { "aria-hidden": "true" }, this.scaleText);

  constructor(host: HTMLElement) {
    host.append(...this.corners.values(), ...this.edges.values(), this.scale);
  }

  clear(): void {
    for (const part of [...this.corners.values(), ...this.edges.values()]) part.textContent = "";
    this.scale.hidden = true;
  }

  show(shown: Shown, say: Say): void {
    this.write("top-left", [shown.title ?? seriesText(shown.frame, say)]);
    this.write("top-right", [sideText(shown.frame)]);
    this.write("bottom-left", [
      say(shown.title ? "slice" : "image", { index: shown.index + 1, count: shown.count }),
      shown.rate === undefined ? "" : say("frameRate", { rate: round(shown.rate) }),
    ]);
    this.write("bottom-right", [
      lookText(shown.look, say),
      shown.isInverted ? say("inverted") : "",
      say("zoomText", { percent: Math.round(shown.zoom * 100) }),
    ]);
    this.letters(shown);
    this.drawScale(shown);
  }

  private write(corner: (typeof CORNERS)[number], lines: string[]): void {
    this.corners.get(corner)!.textContent = lines.filter(Boolean).join("\n");
  }

  private letters({ frame, map }: Shown): void {
    const back = inverse(map);
    const right = lettersAlong(frame, back.a, back.b);
    const down = lettersAlong(frame, back.c, back.d);
    this.edges.get("right")!.textContent = right;
    this.edges.get("left")!.textContent = oppositeLetters(right);
    this.edges.get("bottom")!.textContent = down;
    this.edges.get("top")!.textContent = oppositeLetters(down);
  }

  /** A bar of 1, 2 or 5 times a power of ten, where the image has a scale. */
  private drawScale({ frame, map }: Shown): void {
    const { calibration, row_mm } = frame.spacing;
    this.scale.hidden = calibration === "none";
    if (this.scale.hidden) return;
    const cssPerMm = Math.hypot(map.c, map.d) / row_mm;
    const wanted_mm = 120 / cssPerMm;
    const power = 10 ** Math.floor(Math.log10(wanted_mm));
    const length_mm = ([5, 2, 1].find((step) => step * power <= wanted_mm) ?? 1) * power;
    this.scale.style.height = `${length_mm * cssPerMm}px`;
    this.scaleText.textContent = length_mm >= 10 ? `${round(length_mm / 10)} cm` : `${round(length_mm)} mm`;
  }
}

function seriesText(frame: Frame, say: Say): string {
  const name = frame.seriesNumber ? say("seriesOf", { number: frame.seriesNumber }) : say("series");
  return [`${frame.modality} · ${name}`, frame.seriesDescription].filter(Boolean).join("\n");
}

/** Side and view; U stands for a part of the body that is not paired. */
function sideText(frame: Frame): string {
  return [frame.laterality === "U" ? "" : frame.laterality, frame.viewPosition].filter(Boolean).join(" ");
}

function lookText(look: Look, say: Say): string {
  if (look.table) return `${say("voiTable")} ${look.table.label}`.trim();
  return say("windowText", { width: round(look.window.width), center: round(look.window.center) });
}

/** Letters of the direction that one step of (x columns, y rows) goes. */
function lettersAlong(frame: Frame, x: number, y: number): string {
  if (frame.rowDirection && frame.columnDirection) {
    const across = x * frame.spacing.column_mm;
    const along = y * frame.spacing.row_mm;
    const length = Math.hypot(across, along) || 1;
    const direction = frame.rowDirection.map(
      (part, axis) => (part * across + frame.columnDirection![axis]! * along) / length,
    );
    return directionLetters(direction as Vector);
  }
  if (!frame.patientOrientation) return "";
  const [toRight, down] = frame.patientOrientation;
  if (Math.abs(x) >= Math.abs(y)) return x > 0 ? toRight : oppositeLetters(toRight);
  return y > 0 ? down : oppositeLetters(down);
}

function round(value: number): string {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}
