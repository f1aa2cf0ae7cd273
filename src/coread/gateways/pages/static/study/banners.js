// What the doctor must know now, above everything, each thing once.
import { fill, h, announce } from "../dom.js";
import { t } from "../words.js";

const place = document.getElementById("banners");
const held = new Map();

/**
 * Show a banner; one of the same name is replaced.
 * @param {string} name
 * @param {{kind?: "bad"|"warn"|"good"|"plain", text: string, more?: Node[], actions?: Node[], isLasting?: boolean}} parts
 */
export function banner(name, { kind = "plain", text, more = [], actions = [], isLasting = false }) {
  const cross = isLasting ? null : h("button.close", { type: "button", "aria-label": t("script.close"), onclick: () => unbanner(name) }, "×");
  const element = h(kind === "plain" ? "div.message" : `div.message.${kind}`, {},
    h("div.banner-words", {}, h("span.strong", {}, text), more), h("div.row.push", {}, actions, cross));
  if (held.get(name)?.textContent !== element.textContent) announce(text);
  held.set(name, element);
  fill(place, [...held.values()]);
}

/** Take a banner away. */
export function unbanner(name) {
  if (held.delete(name)) fill(place, [...held.values()]);
}

/** Tell a fault in plain words. */
export function bannerFault(name, fault, actions = []) {
  banner(name, { kind: fault.isOffline ? "warn" : "bad", text: fault.message, more: fault.advice ? [h("span", {}, fault.advice)] : [], actions });
}
