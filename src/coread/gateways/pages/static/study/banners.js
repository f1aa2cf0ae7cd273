// What the doctor must know now, above everything, each thing once.
import { announce, h, keep } from "../dom.js";
import { t } from "../words.js";

const place = document.getElementById("banners");
const held = new Map();

/**
 * Show a banner; one of the same name is replaced.
 * @param {string} name
 * @param {{kind?: "bad"|"warn"|"good"|"plain", text: string, more?: Node[], actions?: Node[], isLasting?: boolean, onclose?: () => void}} parts
 *   isLasting: it has no cross; onclose: what follows when its cross was pressed.
 */
export function banner(name, { kind = "plain", text, more = [], actions = [], isLasting = false, onclose = () => {} }) {
  const close = () => { unbanner(name); onclose(); };
  const cross = isLasting ? null : h("button.close", { type: "button", "aria-label": t("script.close"), onclick: close }, "×");
  const element = h(kind === "plain" ? "div.message" : `div.message.${kind}`, {},
    h("div.banner-words", {}, h("span.strong", {}, text), more), h("div.row.push", {}, actions, cross));
  const former = held.get(name);
  if (former?.textContent !== element.textContent) announce(text);
  const hadFocus = former?.contains(document.activeElement);
  held.set(name, element);
  keep(place, [...held.values()]);
  if (hadFocus) element.querySelector("button")?.focus();
}

/** Take a banner away. */
export function unbanner(name) {
  if (held.delete(name)) keep(place, [...held.values()]);
}

/** Tell a fault in plain words. */
export function bannerFault(name, fault, actions = []) {
  banner(name, { kind: fault.isOffline ? "warn" : "bad", text: fault.message, more: fault.advice ? [h("span", {}, fault.advice)] : [], actions });
}
