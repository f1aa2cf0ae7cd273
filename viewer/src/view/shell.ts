/** The frame around the images: tool bar, series strip, grid of panes, notices. There before any image is. */

import type { Say, TextKey } from "../text/catalogue";
import { element } from "./dom";
import { type IconName, icon } from "./icons";
import style from "./viewer.css?inline";

export type Command =
  | "window" | "zoom" | "pan" | "presets" | "length" | "angle" | "ellipse" | "probe" | "magnifier" | "clear"
  | "invert" | "flipHorizontal" | "flipVertical" | "rotate" | "reset" | "cine" | "overlays" | "compare" | "mpr" | "help";

interface ButtonFacts {
  command: Command;
  text: TextKey;
  key: string;
  isToggle?: boolean;
}

const GROUPS: ButtonFacts[][] = [
  [
    { command: "window", text: "tool_window", key: "w", isToggle: true },
    { command: "presets", text: "act_presets", key: "1–9" },
    { command: "zoom", text: "tool_zoom", key: "z", isToggle: true },
    { command: "pan", text: "tool_pan", key: "p", isToggle: true },
    { command: "magnifier", text: "tool_magnifier", key: "m", isToggle: true },
  ],
  [
    { command: "invert", text: "act_invert", key: "i" },
    { command: "flipHorizontal", text: "act_flipHorizontal", key: "h" },
    { command: "flipVertical", text: "act_flipVertical", key: "v" },
    { command: "rotate", text: "act_rotate", key: "t" },
    { command: "reset", text: "act_reset", key: "0" },
  ],
  [
    { command: "length", text: "tool_length", key: "l", isToggle: true },
    { command: "angle", text: "tool_angle", key: "g", isToggle: true },
    { command: "ellipse", text: "tool_ellipse", key: "c", isToggle: true },
    { command: "probe", text: "tool_probe", key: "b", isToggle: true },
    { command: "clear", text: "act_clear", key: "Delete" },
  ],
  [
    { command: "cine", text: "act_cine", key: "Space", isToggle: true },
    { command: "overlays", text: "act_overlays", key: "q" },
    { command: "compare", text: "act_compare", key: "x", isToggle: true },
    { command: "mpr", text: "act_mpr", key: "y", isToggle: true },
    { command: "help", text: "act_help", key: "" },
  ],
];

export class Shell {
  readonly root = element("div", "crv", { role: "application", tabindex: "0" });
  readonly bar = element("div", "crv-bar", { role: "toolbar" });
  readonly strip = element("div", "crv-strip", { role: "group" });
  readonly grid = element("div", "crv-grid");
  private readonly hint = element("div", "crv-hint");
  private readonly spoken = element("div", "crv-spoken", { "aria-live": "polite" });
  private readonly placeholder: HTMLImageElement;
  /** Whether the page showed a picture of the first image before the viewer came; it is kept on. */
  readonly hasPicture: boolean;
  private readonly buttons = new Map<Command, HTMLButtonElement>();

  constructor(place: HTMLElement) {
    adoptStyle(place);
    this.hint.hidden = true;
    const shown = pictureOf(place);
    this.hasPicture = shown !== undefined;
    this.placeholder = shown ?? element("img", "", { alt: "" });
    this.placeholder.classList.add("crv-placeholder");
    this.placeholder.hidden = !this.hasPicture;
    const stage = element("div", "crv-stage", {}, this.grid, this.placeholder, this.hint);
    this.root.append(this.bar, element("div", "crv-body", {}, this.strip, stage), this.spoken);
    for (const group of GROUPS) this.bar.append(element("div", "crv-group", {}, ...group.map((facts) => this.button(facts))));
    place.replaceChildren(this.root);
  }

  private button({ command, isToggle }: ButtonFacts): HTMLButtonElement {
    const button = element("button", "crv-tool", { type: "button", "data-command": command }, icon(command as IconName));
    if (isToggle) button.setAttribute("aria-pressed", "false");
    this.buttons.set(command, button);
    return button;
  }

  onCommand(run: (command: Command, button: HTMLButtonElement) => void): void {
    this.buttons.forEach((button, command) => button.addEventListener("click", () => run(command, button)));
  }

  translate(say: Say): void {
    this.root.setAttribute("aria-label", say("viewer"));
    this.bar.setAttribute("aria-label", say("viewer"));
    this.strip.setAttribute("aria-label", say("series"));
    for (const { command, text, key } of GROUPS.flat()) {
      const button = this.buttons.get(command)!;
      const name = say(text);
      button.setAttribute("aria-label", name);
      button.title = key ? `${name} (${key})` : name;
      if (key) button.setAttribute("aria-keyshortcuts", key);
    }
  }

  press(command: Command, isPressed: boolean): void {
    this.buttons.get(command)!.setAttribute("aria-pressed", String(isPressed));
  }

  replaceIcon(command: Command, name: IconName): void {
    this.buttons.get(command)!.replaceChildren(icon(name));
  }

  enable(command: Command, isEnabled: boolean): void {
    this.buttons.get(command)!.disabled = !isEnabled;
  }

  /** The server's own picture of the first image, until it is drawn here. */
  showPicture(url: string): void {
    if (this.placeholder.isConnected) this.placeholder.src = url;
  }

  onPicture(shown: () => void): void {
    const show = () => {
      if (!this.placeholder.isConnected) return;
      this.placeholder.hidden = false;
      shown();
    };
    if (this.hasPicture && this.placeholder.complete) show();
    else this.placeholder.addEventListener("load", show, { once: true });
  }

  dropPicture(): void {
    this.placeholder.remove();
    if (this.placeholder.src.startsWith("blob:")) URL.revokeObjectURL(this.placeholder.src);
  }

  /** A line over the images; an empty text takes it away. */
  note(text: string): void {
    this.hint.textContent = text;
    this.hint.hidden = text === "";
  }

  /** Said by screen readers only. */
  speak(text: string): void {
    this.spoken.textContent = text;
  }
}

/** A picture within the place, or beside it. */
function pictureOf(place: HTMLElement): HTMLImageElement | undefined {
  const beside = [...(place.parentElement?.children ?? [])].find((one) => one instanceof HTMLImageElement);
  return place.querySelector("img") ?? (beside as HTMLImageElement | undefined);
}

const sheets = new WeakSet<Document>();

/** As a sheet made by script, which the policy allows where it forbids style elements. */
function adoptStyle(place: HTMLElement): void {
  const page = place.ownerDocument;
  if (sheets.has(page)) return;
  sheets.add(page);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
}
