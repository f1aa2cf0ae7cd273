// In the sheet: how the finding looks, corrected by the doctor, and what the reader answers then.
import { send } from "../api.js";
import { fill, h } from "../dom.js";
import { t } from "../words.js";
import { percent } from "./confidence.js";
import { codeName } from "./looks.js";

/**
 * Make the field of characteristics.
 * @param panel the reader's finding; null for one's own, which has none
 * @param traits what is stated so far
 * @returns {{element: HTMLElement | null, traits: () => object[]}}
 */
export function traitsField(panel, traits, room) {
  const characteristics = panel?.finding.characteristics ?? [];
  const known = new Set(characteristics.map((item) => item.concept.value));
  const others = traits.filter((trait) => !known.has(trait.concept.value));
  if (!characteristics.length) return { element: null, traits: () => traits };
  const answer = h("p.small.reconsidered", { role: "status" });
  const fields = characteristics.map((item, at) => choiceField(item, traits, `trait-${at}`, tell));
  const element = h("fieldset.field", {}, h("legend", {}, t("script.characteristics")), fields.map((field) => field.element), answer);
  const stated = () => [...fields.map((field) => field.trait()), ...others];
  let asked = 0;
  return { element, traits: stated };

  async function tell() {
    if (!panel.can_reconsider) return;
    asked += 1;
    const turn = asked;
    const path = `${room.store.path}/findings/${encodeURIComponent(panel.finding_uid)}/reconsidered`;
    try {
      const { probability, lower, upper } = await send("POST", path, { traits: fields.map((field) => field.trait()) });
      if (turn !== asked) return;
      fill(answer, t("script.reconsidered", { after: percent(probability), lower: percent(lower), upper: percent(upper), before: percent(panel.finding.confidence.probability) }));
    } catch (fault) {
      if (turn === asked) fill(answer, fault.message);
    }
  }
}

function choiceField(item, traits, id, onchange) {
  const stated = traits.find((trait) => trait.concept.value === item.concept.value)?.value ?? item.value;
  const values = item.choices.some((choice) => choice.value.value === stated.value) ? item.choices.map((choice) => choice.value) : [stated, ...item.choices.map((choice) => choice.value)];
  const select = h("select", { id, onchange }, values.map((value, at) => h("option", { value: String(at), selected: value.value === stated.value }, codeName(value))));
  return {
    element: h("div.row", {}, h("label", { for: id }, codeName(item.concept)), select),
    trait: () => ({ concept: item.concept, value: values[Number(select.value)] }),
  };
}
