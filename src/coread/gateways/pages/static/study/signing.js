// The signature: what will be signed, the password once more, one act however often the button is pressed.
import { actKey } from "../api.js";
import { openDialog } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { t, w } from "../words.js";
import { banner } from "./banners.js";
import { hurdleWords } from "./report.js";

/** Open the dialog for the report that a panel holds. */
export async function openSigning(panel) {
  const { store } = panel;
  if (!store.review.lock) await store.act("POST", "lock").catch(() => {});
  const isAddendum = store.isSigned;
  const key = actKey();
  const { person, has_totp: hasTotp, has_password: hasPassword } = store.surroundings;
  const password = h("input", { type: "password", id: "sign-password", autocomplete: "current-password", required: hasPassword });
  const totp = h("input", { id: "sign-totp", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 8, required: true });
  const problem = h("p.fault-text", { role: "alert", hidden: true });
  const submit = h("button.button.primary", { form: "sign-form" }, t("script.sign_now"));
  const form = h("form.form", { id: "sign-form", onsubmit: sign },
    h("input.unseen", { autocomplete: "username", value: person.login, tabindex: -1, "aria-hidden": "true", readonly: true }),
    hasPassword ? h("div.field", {}, h("label", { for: "sign-password" }, t("script.sign_password")), password)
      : h("p", {}, h("a.button", { href: "/login/oidc?again=1&next=/login/done", target: "_blank", rel: "noopener" }, t("script.sign_provider"))),
    hasTotp ? h("div.field", {}, h("label", { for: "sign-totp" }, t("script.sign_totp")), totp) : null, problem);
  const obstacles = h("div");
  const shown = panel.fingerprint();
  const stop = store.subscribe(heed);
  const dialog = openDialog({
    title: t(isAddendum ? "script.sign_addendum_title" : "script.sign_title"), big: true, onclose: stop,
    body: [isAddendum ? null : summary(store), preview(panel), obstacles, h("p", {}, t("script.sign_lead", { name: person.display_name })), form].filter(Boolean),
    actions: [h("button.button", { type: "button", onclick: () => dialog.close() }, t("script.cancel")), submit],
  });
  heed();
  password.focus();

  /** Follow the study: what stands in the way may go away, and a text that was not shown is not signed. */
  function heed() {
    if (panel.isSigning) return;
    if (store.isSigned !== isAddendum || panel.toSign() !== shown) {
      dialog.close();
      banner("sign-again", { kind: "warn", text: t("script.sign_again") });
      return;
    }
    submit.disabled = store.review.hurdles.length > 0;
    fill(obstacles, hurdles(store));
  }

  async function sign(event) {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    panel.isSigning = true;
    problem.hidden = true;
    submit.textContent = t("script.signing");
    const body = { password: password.value, totp: totp.value };
    if (isAddendum) Object.assign(body, { sections: panel.sections().map(({ name, text }) => ({ name, text })), template: panel.template, language: panel.language });
    try {
      await store.act("POST", isAddendum ? "addendum" : "sign", body, { key, about: "sign", revision: store.review.revision });
      dialog.close();
      panel.finished();
      banner("signed", { kind: "good", text: t(isAddendum ? "script.addendum_done" : "script.sign_done") });
    } catch (fault) {
      problem.hidden = false;
      fill(problem, [fault.message, fault.advice, faultDetail(fault)].filter(Boolean).join(" "));
      password.value = "";
      password.focus();
    } finally {
      panel.isSigning = false;
      submit.textContent = t("script.sign_now");
      if (dialog.open) heed();
    }
  }
}

function faultDetail(fault) {
  return (fault.body.hurdles ?? []).map((code) => w("hurdle", code, { name: "" })).join(" · ");
}

function summary(store) {
  const counts = new Map();
  for (const { verdict } of store.review.decisions) counts.set(verdict ?? "own", (counts.get(verdict ?? "own") ?? 0) + 1);
  return h("ul.row", {}, [...counts].map(([verdict, count]) => h("li", {}, h("span.tag", {}, `${w("verdict", verdict)} ${count}`))));
}

function preview(panel) {
  return h("div.report-preview", { tabindex: 0, role: "group", "aria-label": t("script.preview") },
    panel.sections().map((section) => [h("h3", {}, section.title ?? w("section", section.name)), h("p.prewrap", {}, section.text.trim() || "–")]));
}

function hurdles(store) {
  const lines = [...new Set(store.review.hurdles.map((hurdle) => hurdleWords(hurdle, store)))];
  return lines.length ? h("div.message.warn", {}, h("div", {}, h("p.strong", {}, t("script.hurdles_title")), h("ul", {}, lines.map((line) => h("li", {}, line))))) : null;
}
