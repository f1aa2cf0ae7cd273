// Keys: each page says what its keys do; "?" shows them.
import { h, isTyping } from "./dom.js";
import { isDialogOpen, openDialog } from "./dialogs.js";
import { t, w } from "./words.js";

const bound = new Map();
const shown = [];

/** Write a key event as the text that `bindKeys` takes: "j", "?", "Ctrl+Enter". */
export function keyOf(event) {
  const name = event.key.length === 1 ? event.key : event.key.replace("Arrow", "");
  const held = [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", event.shiftKey && name.length > 1 ? "Shift" : ""];
  return [...held.filter(Boolean), name].join("+");
}

/**
 * Bind keys.
 * @param {string} group key of the catalogue's table `keys`, heading of the overlay
 * @param {{keys: string[], name: string, run?: (event: KeyboardEvent) => void, whileTyping?: boolean}[]} bindings
 *   name: key of the table `keys`; without run the binding is only shown (the viewer's own keys).
 */
export function bindKeys(group, bindings) {
  shown.push({ group, bindings });
  for (const binding of bindings) {
    if (binding.run) for (const key of binding.keys) bound.set(key, binding);
  }
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat && event.key === "Enter" || isDialogOpen()) return;
  const binding = bound.get(keyOf(event));
  if (!binding || isTyping(event.target) && !binding.whileTyping) return;
  if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a, button, summary") && !event.ctrlKey) return;
  event.preventDefault();
  binding.run(event);
});

/** Show what the keys do. */
export function showKeys() {
  const groups = shown.map(({ group, bindings }) => h("section.stack", {},
    h("h3", {}, w("keys", group)),
    h("div.key-table", {}, bindings.map(({ keys, name }) =>
      h("div", {}, h("span", {}, w("keys", name)), h("span", {}, keys.map((key) => h("kbd", {}, glyph(key)))))))));
  openDialog({ title: t("keys.title"), body: groups, actions: [], big: true });
}

function glyph(key) {
  const glyphs = { Up: "↑", Down: "↓", Left: "←", Right: "→", Enter: "Enter ↵", " ": "Space" };
  return key.split("+").map((part) => glyphs[part] ?? part).join(" + ");
}
