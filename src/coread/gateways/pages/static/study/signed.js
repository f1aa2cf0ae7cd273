// Signed reports: the words, who signed them, where they have gone; and the way to an addendum.
import { h } from "../dom.js";
import { moment } from "../times.js";
import { t, w } from "../words.js";
import { sectionTitles } from "./report.js";

/** Show all signed reports of the study. */
export function reportsBlock(room) {
  const { review } = room.store;
  if (!review.reports.length) return null;
  return h("section.block.reports", {}, h("h2.unseen", {}, t("script.report_signed")),
    review.is_changed_since_signing ? h("p.message.warn", {}, t("script.changed_since_signing")) : null,
    [...review.reports].reverse().map((report, place) => reportCard(report, room, place === 0)),
    deliveriesBlock(review.deliveries), addendumButton(room));
}

function reportCard(report, room, isNewest) {
  const titles = sectionTitles(room.store.surroundings.templates, report.draft.template, report.draft.language);
  const words = report.draft.sections.filter((section) => section.lines.length).map((section) => [
    h("h3", {}, titles.get(section.name) ?? w("section", section.name)),
    h("div.report-words", {}, section.lines.map((line) => h("p", {}, h(`span.mark.mark-${line.origin}`, { title: w("origin", line.origin) }, w("origin_mark", line.origin)), h("span.break", {}, line.text))))]);
  return h("details.signed-report", { open: isNewest },
    h("summary", {}, h("span.tag.good", {}, t(report.is_addendum ? "script.addendum" : "script.report_signed")),
      h("span", {}, ` ${t("script.signed_by", { name: report.person_name, at: moment(report.signed_at) })}`)),
    h("div", { lang: report.draft.language === "zh" ? "zh-CN" : "en" }, words),
    h("div.button-row", {}, h("a.button.small", { href: `${room.store.path}/reports/${report.number}.pdf`, target: "_blank", rel: "noopener" }, t("script.pdf"))));
}

function deliveriesBlock(deliveries) {
  if (!deliveries.length) return h("p.muted.small", {}, t("script.no_deliveries"));
  const states = new Map();
  for (const item of deliveries) {
    const counts = states.get(item.destination) ?? new Map();
    counts.set(item.state, [...(counts.get(item.state) ?? []), item]);
    states.set(item.destination, counts);
  }
  return h("section.deliveries", { "aria-label": t("script.deliveries") }, h("h3", {}, t("script.deliveries")),
    h("ul.stack", {}, [...states].map(([destination, counts]) => h("li.row", {}, h("span.strong", {}, destination),
      [...counts].map(([state, items]) => h(`span.tag.${{ delivered: "good", failed: "bad", waiting: "warn" }[state] ?? "plain"}`, { title: items.map((item) => item.detail).filter(Boolean).join("\n") },
        `${w("delivery", state)} ${items.length}`))))));
}

function addendumButton(room) {
  if (!room.store.maySign || room.store.isLockedByOther) return null;
  return h("div.button-row", {}, h("button.button", { type: "button", onclick: () => room.report.openAddendum() }, t("script.write_addendum"), h("kbd", {}, "d")));
}
