// How a finding looks and what it looks like: characteristics, measures with intervals, cases of the training data.
import { h, svg } from "../dom.js";
import { either, t, tn } from "../words.js";
import { percent } from "./confidence.js";
import { kindsOf } from "./kinds.js";

/** Say a code in the reader's language. */
export function codeName(code) {
  return either(code.meaning, code.meaning_zh);
}

/** Say a measure to four digits, its interval in brackets; "1" is UCUM's word for no unit. */
export function measure({ quantity, value, unit, lower, upper }) {
  const digits = (number) => String(Number(number.toPrecision(4)));
  const name = unit.value === "1" ? "" : ` ${unit.value === "{counts}" ? codeName(unit) : unit.value}`;
  const interval = lower === null || lower === undefined ? "" : ` (${digits(lower)}–${digits(upper)})`;
  return `${codeName(quantity)} ${digits(value)}${interval}${name}`;
}

/** List measures and characteristics of a finding. */
export function looksBlock(panel) {
  const { measurements, characteristics, boxes } = panel.finding;
  const kinds = kindsOf(boxes);
  if (!measurements.length && !characteristics.length && !kinds.length) return null;
  return h("div.looks", {},
    kinds.length ? h("ul.measures", { "aria-label": t("script.kinds") }, kinds.map(kind)) : null,
    measurements.length ? h("ul.measures", { "aria-label": t("script.statement_measures") }, measurements.map((one) => h("li.figures", {}, measure(one)))) : null,
    characteristics.length ? h("dl.characteristics", { "aria-label": t("script.characteristics") }, characteristics.flatMap(characteristic)) : null);
}

function kind({ code, colour, count }) {
  return h("li.figures", {}, svg("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, fill: colour })), ` ${codeName(code)} ${count}`);
}

function characteristic({ concept, value, confidence, choices }) {
  const others = choices.filter((choice) => choice.value.value !== value.value && choice.probability >= 0.05)
    .sort((a, b) => b.probability - a.probability).map((choice) => `${codeName(choice.value)} ${percent(choice.probability)}`);
  const isOpen = confidence.lower === 0 && confidence.upper === 1;
  const interval = isOpen ? "" : ` (${percent(confidence.lower)}–${percent(confidence.upper)})`;
  return [h("dt", {}, codeName(concept)),
    h("dd", {}, h("span.strong", {}, codeName(value)), h("span.figures", {}, ` ${percent(confidence.probability)}${interval}`),
      others.length ? h("span.muted.small.figures", {}, ` · ${others.join(" · ")}`) : null)];
}

/** List the cases that look like it, as content of a part of the evidence. */
export function similarCases(similar) {
  return [h("p.small.muted", {}, t("script.similar_lead")),
    h("ul.similar", {}, similar.map((one) => h("li", {}, h("span.strong.break", {}, one.identifier), h("span.figures", {}, ` · ${percent(one.similarity)}`),
      one.note || one.note_zh ? h("span.muted", {}, ` · ${either(one.note, one.note_zh)}`) : null)))];
}

/** Say how many there are. */
export function similarSummary(similar) {
  return tn("script.similar_count", similar.length);
}
