// Dialogs on the browser's own <dialog>: focus stays inside, Escape closes, focus returns.
import { h } from "./dom.js";
import { t } from "./words.js";

/**
 * Open a dialog.
 * @param {{title: string, body: Node[], actions: Node[], big?: boolean, isStaying?: boolean, onclose?: () => void}} parts
 *   isStaying: neither Escape nor the cross closes it.
 */
export function openDialog({ title, body, actions, big = false, isStaying = false, onclose = () => {} }) {
  const id = `dialog-${crypto.randomUUID ? crypto.randomUUID() : Math.random().toString(36).slice(2)}`;
  const cross = isStaying ? null : h("button.close", { type: "button", "aria-label": t("script.close") }, "×");
  const dialog = h(big ? "dialog.big" : "dialog", { "aria-labelledby": id },
    h("div.dialog-head", {}, h("h2", { id }, title), cross),
    h("div.dialog-body", {}, body),
    actions.length ? h("div.dialog-foot", {}, actions) : null);
  const before = document.activeElement;
  cross?.addEventListener("click", () => dialog.close());
  dialog.addEventListener("cancel", (event) => { if (isStaying) event.preventDefault(); });
  dialog.addEventListener("keydown", (event) => {
    if (isStaying && event.key === "Escape") event.preventDefault();
    event.stopPropagation();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
  const words = dialog.querySelector(".dialog-body");
  if (!words.querySelector("a, button, input, select, textarea, summary, [tabindex]")) words.tabIndex = 0;
  return dialog;
}

/** Ask a question with one way on and one way back; resolves to true or false. */
export function confirmed({ title, text, action, isDangerous = false }) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = h(isDangerous ? "button.button.danger" : "button.button.primary", {
      type: "button", onclick: () => { answer = true; dialog.close(); },
    }, action);
    const no = h("button.button", { type: "button", onclick: () => dialog.close() }, t("script.cancel"));
    const dialog = openDialog({ title, body: [h("p", {}, text)], actions: [no, yes], onclose: () => resolve(answer) });
    yes.focus();
  });
}

/** Tell whether a dialog is open. */
export function isDialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}
