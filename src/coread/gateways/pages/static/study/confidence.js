// A calibrated probability: in words, as a number with its interval, as a bar. Never larger than its evidence.
import { h, svg } from "../dom.js";
import { either, t, w } from "../words.js";

/** Write a share as a whole percentage. */
export function percent(share) {
  return `${Math.round(share * 100)}%`;
}

/** Write a measured figure with its interval: 0.83 (0.75–0.90). */
export function measured(figure) {
  if (!figure) return t("script.not_measured");
  return `${figure.value.toFixed(2)} (${figure.lower.toFixed(2)}–${figure.upper.toFixed(2)})`;
}

/** Show the confidence of a finding. */
export function confidenceBlock(panel, card) {
  const { probability, lower, upper, level } = panel.finding.confidence;
  const isWeak = panel.words.is_wide || !isSupported(panel);
  const said = t("script.interval", { level: percent(level), lower: percent(lower), upper: percent(upper) });
  return h(isWeak ? "div.confidence.is-weak" : "div.confidence", {},
    h("p.confidence-line", {},
      h("span.confidence-words", {}, w("likelihood", panel.words.code)),
      h("span.confidence-number.figures", {}, percent(probability)),
      h("span.muted.figures", {}, said)),
    bar(probability, lower, upper, thresholdOf(panel, card)),
    panel.words.is_wide ? h("p.small.caution", {}, t("script.wide_interval")) : null,
    h("p.small.muted", {}, evidenceLine(panel)));
}

/** Give the threshold of this finding; a reader of several has one for each. */
function thresholdOf(panel, card) {
  return card?.findings.find((one) => one.code.value === panel.finding.code.value)?.threshold ?? card?.threshold;
}

/** Tell whether enough was measured on people to lean on the number. */
export function isSupported(panel) {
  const grade = panel.performance.evidence_grade;
  return ["human_trial", "retrospective"].includes(grade) && panel.performance.rows.some((row) => row.is_enough);
}

function evidenceLine(panel) {
  const grade = w("grade", panel.performance.evidence_grade || "unknown");
  const set = either(panel.finding.confidence.calibrated_on, panel.finding.confidence.calibrated_on_zh);
  return set ? t("script.evidence_on", { grade, set }) : t("script.evidence", { grade });
}

function bar(probability, lower, upper, threshold) {
  const at = (share) => (share * 100).toFixed(2);
  return svg("svg", { class: "confidence-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "bar-ground", x: 0, y: 4, width: 100, height: 2 }),
    svg("rect", { class: "bar-interval", x: at(lower), y: 2, width: Math.max(0.8, at(upper) - at(lower)).toFixed(2), height: 6 }),
    threshold === undefined ? null : svg("rect", { class: "bar-threshold", x: at(threshold), y: 0, width: 0.4, height: 10 }),
    svg("rect", { class: "bar-point", x: (probability * 100 - 0.6).toFixed(2), y: 0, width: 1.2, height: 10 }));
}
