// Beside each finding: why, how the reader does on people like this one, what it cannot see, which version.
import { h } from "../dom.js";
import { moment } from "../times.js";
import { either, t, tn, w } from "../words.js";
import { measured } from "./confidence.js";
import { similarCases, similarSummary } from "./looks.js";

/** Make a part that opens, remembering by name which parts are open. */
function part(open, name, title, summary, content, onopen) {
  const element = h("details.evidence-part", { open: open.has(name) },
    h("summary", {}, h("span.evidence-title", {}, title), h("span.evidence-summary", {}, summary)), content);
  element.addEventListener("toggle", () => {
    if (element.open) open.add(name); else open.delete(name);
    if (element.open) onopen?.();
  });
  return element;
}

/** Say why: the heat map that passed its test, or that none did. */
export function whyPart(panel, open, { showHeatMap, note }) {
  const map = panel.finding.heat_map;
  const content = panel.explanation === "shown"
    ? [h("p", {}, t("script.why_shown", { method: map?.method ?? "" })), h("button.button.small", { type: "button", onclick: showHeatMap }, t("script.show_heat_map"))]
    : [h("p", {}, t(panel.explanation === "none-passed" ? "script.why_none_passed_more" : "script.why_none_made_more"))];
  const summary = t(panel.explanation === "shown" ? "script.why_yes" : panel.explanation === "none-passed" ? "script.why_none_passed" : "script.why_none_made");
  return part(open, "why", t("script.why"), summary, content, () => note("explanation"));
}

/** Show the cases of the training data that look like it; null where the reader names none. */
export function similarPart(panel, open, { note }) {
  const { similar } = panel.finding;
  return similar.length ? part(open, "similar", t("script.similar"), similarSummary(similar), similarCases(similar), () => note("similar")) : null;
}

/** Show how the reader does on people like this one. */
export function performancePart(panel, open, { note }) {
  const { rows, untested } = panel.performance;
  const closest = rows.filter((row) => row.group).concat(rows.filter((row) => !row.group))[0];
  const summary = closest
    ? t("script.performance_summary", { group: groupName(closest), sensitivity: measured(closest.sensitivity), specificity: measured(closest.specificity) })
    : t("script.performance_none");
  const content = rows.length ? [table(rows), untestedLine(untested)] : [h("p", {}, t("script.performance_none_more"))];
  return part(open, "performance", t("script.performance"), summary, content, () => note("performance"));
}

function table(rows) {
  const head = ["group", "patients", "sensitivity", "specificity", "auc"].map((name) => h("th", { scope: "col" }, w("column", name)));
  const lines = rows.map((row) => h(row.is_enough ? "tr" : "tr.too-few", {},
    h("th", { scope: "row" }, groupName(row), h("span.cell-line.muted", {}, row.source, row.is_enough ? "" : ` · ${t("script.too_few")}`)),
    h("td.number-cell", {}, tn("script.patients", row.patients)),
    ["sensitivity", "specificity", "auc"].map((name) => h("td.number-cell", {}, measured(row[name])))));
  return h("div.table-frame", { tabindex: 0, role: "group", "aria-label": t("script.performance") },
    h("table.dense", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines)));
}

function groupName(row) {
  if (!row.group) return t("script.all_patients");
  return `${w("dimension", row.dimension)}: ${w("group", row.group)}`;
}

function untestedLine(untested) {
  if (!untested.length) return null;
  const said = untested.map(([dimension, value]) => `${w("dimension", dimension)}: ${value}`).join(" · ");
  return h("p.small.caution", {}, t("script.untested", { groups: said }));
}

/** List what the reader cannot see. */
export function limitsPart(card, open, { note }) {
  if (!card) return h("p.small.caution", {}, t("script.no_card"));
  const chinese = card.limits_zh.length === card.limits.length;
  const limits = card.limits.map((limit, place) => either(limit, chinese ? card.limits_zh[place] : ""));
  const content = [h("p", {}, either(card.intended_use, card.intended_use_zh)), h("ul.limits", {}, limits.map((limit) => h("li", {}, limit)))];
  return part(open, "limits", t("script.limits"), tn("script.limits_count", limits.length), content, () => note("limits"));
}

/** Say which reader, in which version, with which weights. */
export function versionPart(panel, reading, open) {
  const { name, version, manufacturer, weights_sha256: weights } = panel.reader;
  const fact = (key, value) => [h("dt", {}, t(key)), h("dd", {}, value)];
  const content = h("dl.facts.small", {},
    fact("script.reader", `${name} ${version}`), fact("script.maker", manufacturer),
    fact("script.weights", h("span.mono", {}, weights || "–")),
    fact("script.study_version", String(reading?.study_version ?? "–")),
    fact("script.read_at", reading?.made_at ? moment(reading.made_at) : "–"),
    fact("script.mode", w("mode", panel.mode)),
    fact("script.finding_uid", h("span.mono", {}, panel.finding_uid)));
  return part(open, "version", t("script.version"), `${name} ${version}`, content);
}
