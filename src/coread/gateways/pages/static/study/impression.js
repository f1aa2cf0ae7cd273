// Blind first: the doctor's own impression, before any reader is shown.
import { h } from "../dom.js";
import { t, w } from "../words.js";
import { bannerFault, unbanner } from "./banners.js";

const SURE = [["guess", 0.5], ["rather", 0.7], ["fairly", 0.8], ["very", 0.9], ["certain", 0.99]];

/** Make the form; it lives on through re-drawing, so that nothing typed is lost. */
export function impressionForm(store) {
  const choice = (name, value, text, key) => h("label.choice", {},
    h("input", { type: "radio", name, value, required: true }), h("span", {}, text, key ? h("kbd", {}, key) : null));
  const text = h("textarea", { name: "text", rows: 3, maxlength: 4000, id: "impression-text" });
  const submit = h("button.button.primary", {}, t("script.impression_record"), h("kbd", {}, "Ctrl ↵"));
  const form = h("form.form.impression", { onsubmit: record, id: "impression-form" },
    h("p", {}, t("script.impression_lead")),
    h("fieldset.field", {}, h("legend", {}, t("script.impression_question")),
      h("div.choices", {}, choice("is_abnormal", "no", t("script.impression_normal")), choice("is_abnormal", "yes", t("script.impression_abnormal")))),
    h("fieldset.field", {}, h("legend", {}, t("script.impression_sure")),
      h("div.choices", {}, SURE.map(([name, share]) => choice("confidence", share, w("sure", name))))),
    h("div.field", {}, h("label", { for: "impression-text" }, t("script.impression_text")), text),
    h("div.button-row", {}, submit));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;

  async function record(event) {
    event.preventDefault();
    submit.disabled = true;
    try {
      const values = new FormData(form);
      const body = { is_abnormal: values.get("is_abnormal") === "yes", confidence: Number(values.get("confidence")), text: text.value };
      await store.act("POST", "impression", body);
      unbanner("impression");
    } catch (fault) {
      bannerFault("impression", fault);
    } finally {
      submit.disabled = false;
    }
  }
}
