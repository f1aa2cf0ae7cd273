// What is done about measured nodules next: the doctor fills in what no reader can know, and a rule answers.
import { send } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { language, t, w } from "../words.js";
import { bannerFault } from "./banners.js";

const RULES = ["fleischner-2017", "lung-rads-2022", "lung-rads-1.1", "c-lung-rads"];
const COMPOSITIONS = ["solid", "part-solid", "ground-glass"];
const RISKS = ["is_high_risk", "has_known_cancer", "is_immunosuppressed", "is_screening"];

/** Make the block; null where no nodule of the report has a diameter. */
export function followUpBlock(review, room) {
  if (!review.nodules.length || !room.store.mayDecide || room.isReadOnly()) return null;
  const nodules = review.nodules.map((nodule, at) => noduleFields(nodule, at));
  const rule = h("select", { id: "follow-up-rule" }, RULES.map((name) => h("option", { value: name }, w("rule", name))));
  const risks = RISKS.map((name) => ({ name, box: h("input", { type: "checkbox" }) }));
  const answer = h("div.follow-up-answer", { role: "status" });
  const form = h("form.stack", { onsubmit: ask },
    nodules.map((nodule) => nodule.element),
    h("div.row", {}, h("label", { for: "follow-up-rule" }, t("script.follow_up_rule")), rule),
    h("div.choices", {}, risks.map(({ name, box }) => h("label.choice", {}, box, h("span", {}, w("risk", name))))),
    h("div.button-row", {}, h("button.button", {}, t("script.follow_up_ask"))), answer);
  return h("section.block", { "aria-labelledby": "follow-up-title" }, h("h2", { id: "follow-up-title" }, t("script.follow_up_title")), form);

  async function ask(event) {
    event.preventDefault();
    const patient = Object.fromEntries(risks.map(({ name, box }) => [name, box.checked]));
    const body = { rule: rule.value, language, nodules: nodules.map((nodule) => nodule.value()), patient };
    try {
      show(await send("POST", `${room.store.path}/follow_up`, body));
    } catch (fault) {
      bannerFault("follow-up", fault);
    }
  }

  function show(advice) {
    const reasons = advice.does_not_apply.map((code) => w("not_applicable", code));
    const category = advice.category ? t("script.follow_up_category", { category: advice.category }) : "";
    fill(answer, category ? h("p.strong", {}, category) : null, advice.sentences.map((line) => h("p", {}, line)), reasons.map((line) => h("p.caution", {}, line)),
      advice.sentences.length ? h("button.button.small", { type: "button", onclick: () => copy(advice.sentences) }, t("script.follow_up_copy")) : null);
  }

  async function copy(lines) {
    room.openTab("report");
    await room.report.open();
    const editor = room.report.editors.find((one) => one.name === "recommendation") ?? room.report.editors.find((one) => one.name === "impression") ?? room.report.editors.at(-1);
    if (!editor) return;
    const end = editor.field.value.length;
    editor.insert(`${end ? "\n" : ""}${lines.join("\n")}`, [end, end]);
    announce(t("script.follow_up_copied"));
  }
}

function noduleFields(nodule, at) {
  const composition = h("select", { id: `nodule-composition-${at}`, required: true }, [nodule.composition ? null : h("option", { value: "" }, "–"),
    ...COMPOSITIONS.map((name) => h("option", { value: name, selected: name === nodule.composition }, w("composition", name)))]);
  const size = number(`nodule-size-${at}`, nodule.diameter_mm);
  const solid = number(`nodule-solid-${at}`, nodule.solid_mm);
  const benign = h("input", { type: "checkbox", checked: nodule.is_benign });
  const suspicious = h("input", { type: "checkbox", checked: nodule.is_suspicious });
  const labelled = (id, key, field) => h("div.row", {}, h("label", { for: id }, t(key)), field);
  const element = h("fieldset.field", {}, h("legend", {}, t("script.nodule_number", { number: at + 1 })),
    labelled(`nodule-composition-${at}`, "script.nodule_composition", composition),
    labelled(`nodule-size-${at}`, "script.nodule_size", size), labelled(`nodule-solid-${at}`, "script.nodule_solid", solid),
    h("div.choices", {}, h("label.choice", {}, suspicious, h("span", {}, t("script.nodule_suspicious"))), h("label.choice", {}, benign, h("span", {}, t("script.nodule_benign")))));
  const value = () => ({ composition: composition.value, diameter_mm: Number(size.value), solid_mm: composition.value === "part-solid" ? Number(solid.value) : 0,
    is_suspicious: suspicious.checked, is_benign: benign.checked });
  return { element, value };
}

function number(id, value) {
  return h("input", { id, type: "number", min: 0, max: 300, step: "0.01", value: String(value) });
}
