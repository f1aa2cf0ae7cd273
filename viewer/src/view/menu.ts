/** Small windows under the tool bar: presets, overlays, keys. One at a time; Esc or a press outside closes it. */

import type { OverlayBook } from "../overlay/book";
import { colourOfOverlay } from "../overlay/layer";
import type { Say } from "../text/catalogue";
import type { Overlay } from "../types";
import { element } from "./dom";
import { keyList } from "./keys";
import { presetsOf } from "./presets";

export class Menu {
  private open: { box: HTMLElement; button: HTMLElement } | undefined;

  constructor(private readonly root: HTMLElement) {
    root.addEventListener("pointerdown", (event) => {
      const target = event.target as Node;
      if (this.open && !this.open.box.contains(target) && !this.open.button.contains(target)) this.close();
    });
  }

  get isOpen(): boolean {
    return this.open !== undefined;
  }

  close(): void {
    if (!this.open) return;
    const { box, button } = this.open;
    this.open = undefined;
    const hadFocus = box.contains(document.activeElement);
    box.remove();
    button.setAttribute("aria-expanded", "false");
    if (hadFocus) this.root.focus();
  }

  /** Show under a button; the same button again closes it. */
  toggle(button: HTMLElement, title: string, content: Node[], className = ""): void {
    const isSame = this.open?.button === button;
    this.close();
    if (isSame) return;
    const box = element("div", `crv-menu ${className}`, { role: "dialog", "aria-label": title, tabindex: "0" });
    box.append(element("h2", "", {}, title), ...content);
    this.root.append(box);
    this.place(box, button);
    button.setAttribute("aria-expanded", "true");
    this.open = { box, button };
    (box.querySelector<HTMLElement>("button, input") ?? box).focus();
  }

  private place(box: HTMLElement, button: HTMLElement): void {
    const root = this.root.getBoundingClientRect();
    const at = button.getBoundingClientRect();
    box.style.top = `${at.bottom - root.top + 4}px`;
    box.style.left = `${Math.max(4, Math.min(at.left - root.left, root.width - box.offsetWidth - 4))}px`;
  }
}

export function presetItems(modality: string, say: Say, choose: (index: number) => void): Node[] {
  return presetsOf(modality).map((preset, index) => {
    const item = element("button", "crv-item", { type: "button" }, say(preset.name), element("kbd", "", {}, String(index + 1)));
    item.addEventListener("click", () => choose(index));
    return item;
  });
}

export interface OverlayChoices {
  changed: () => void;
  show: (id: string) => void;
}

export function overlayItems(book: OverlayBook, say: Say, choices: OverlayChoices): Node[] {
  if (book.all.length === 0) return [element("p", "", {}, say("overlaysNone"))];
  const kinds = book.kinds().map((kind) =>
    checkbox(say(`kind_${kind}`), book.isKindVisible(kind), undefined, (on) => {
      book.setVisible(kind, on);
      choices.changed();
    }),
  );
  const each = book.all.map((overlay) => overlayItem(book, overlay, choices));
  return [fadeSlider(book, say, choices), ...kinds, element("hr"), ...each];
}

function fadeSlider(book: OverlayBook, say: Say, choices: OverlayChoices): Node {
  const slider = element("input", "", { type: "range", min: "0", max: "100", step: "5", value: String(Math.round(book.opacity * 100)) });
  slider.addEventListener("input", () => {
    book.opacity = Number(slider.value) / 100;
    choices.changed();
  });
  return element("label", "", {}, say("overlaysOpacity"), slider);
}

function overlayItem(book: OverlayBook, overlay: Overlay, choices: OverlayChoices): Node {
  const row = checkbox(overlay.label, book.isVisible(overlay), colourOfOverlay(overlay), (on) => {
    book.setVisible(overlay.id, on);
    choices.changed();
  });
  const jump = element("button", "crv-item", { type: "button", "aria-label": overlay.label }, "→");
  jump.style.width = "auto";
  jump.style.marginLeft = "auto";
  jump.addEventListener("click", () => choices.show(overlay.id));
  row.append(jump);
  return row;
}

function checkbox(text: string, isOn: boolean, colour: string | undefined, changed: (on: boolean) => void): HTMLElement {
  const box = element("input", "", { type: "checkbox" });
  box.checked = isOn;
  box.addEventListener("change", () => changed(box.checked));
  const swatch = colour ? element("span", "crv-swatch") : undefined;
  if (swatch) swatch.style.background = colour!;
  return element("label", "", {}, box, swatch, text);
}

export function helpItems(say: Say): Node[] {
  const rows = keyList(say).map(({ keys, text }) =>
    element("tr", "", {}, element("td", "", {}, element("kbd", "", {}, keys)), element("td", "", {}, text)),
  );
  return [element("table", "", {}, element("tbody", "", {}, ...rows))];
}
