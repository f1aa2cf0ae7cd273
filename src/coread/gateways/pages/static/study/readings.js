// What each reader answered: abstentions, refusals and faults as openly as findings.
import { h } from "../dom.js";
import { either, t, tn, w } from "../words.js";

/** List the newest readings. */
export function readingsBlock(review) {
  const newest = review.readings.filter((view) => view.is_newest);
  const older = review.readings.length - newest.length;
  return h("section.block", { "aria-labelledby": "readings-title" },
    h("h2", { id: "readings-title" }, t("script.readings")),
    newest.length ? h("ul.stack", {}, newest.map((view) => readingLine(view, review))) : h("p.muted", {}, t("script.no_readings")),
    older ? h("p.small.muted", {}, tn("script.older_readings", older)) : null);
}

function readingLine(view, review) {
  const card = review.cards[view.reader.name];
  const title = card ? either(card.title, card.title_zh) : view.reader.name;
  return h(`li.reading.outcome-${view.is_withheld ? "withheld" : view.outcome}`, {},
    h("div.row", {}, h("span.tag.ai", {}, "AI"), h("span.strong", {}, title), h("span.muted.small", {}, `${view.reader.name} ${view.reader.version}`),
      h("span.tag.plain.push", {}, view.is_withheld ? t("script.withheld") : w("outcome", view.outcome))),
    view.prompt ? h("p.muted.small", {}, askedWords(view, review)) : null,
    view.reason ? h("p", {}, either(view.reason.text, view.reason.text_zh)) : null,
    view.is_withheld ? h("p.muted", {}, w("withheld", view.mode)) : null);
}

function askedWords(view, review) {
  const place = review.asked.find((one) => one.reading_uid === view.reading_uid);
  return place?.person_id === "" ? t("script.read_at_mark") : t("script.read_where_asked", { name: place?.person_name ?? t("script.somebody") });
}
