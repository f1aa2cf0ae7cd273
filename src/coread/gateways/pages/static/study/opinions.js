// Several readers on one case: side by side, with the panel's opinion and every dissent.
import { h } from "../dom.js";
import { either, t, w } from "../words.js";
import { percent } from "./confidence.js";

/** Show the opinions on kinds of findings that more than one reader was asked about. */
export function opinionsBlock(review) {
  const several = review.opinions.filter((opinion) => opinion.votes.length > 1);
  if (!several.length) return null;
  return h("section.block", { "aria-labelledby": "opinions-title" },
    h("h2", { id: "opinions-title" }, t("script.side_by_side")), several.map(opinionCard));
}

function opinionCard(opinion) {
  const isSplit = opinion.agreement === "disagree";
  const name = either(opinion.code.meaning, opinion.code.meaning_zh);
  return h(isSplit ? "article.opinion.is-split" : "article.opinion", {},
    h("div.row", {}, h("h3", {}, name), h(isSplit ? "span.tag.warn.push" : "span.tag.plain.push", {}, t(isSplit ? "script.disagree" : "script.agree"))),
    h("table.dense.votes", {}, h("caption.unseen", {}, t("script.votes_of", { name })),
      h("thead", {}, h("tr", {}, ["reader", "answer", "probability"].map((column) => h("th", { scope: "col" }, w("column", column))))),
      h("tbody", {}, opinion.votes.map((vote) => voteRow(vote, opinion)), panelRow(opinion))),
    opinion.dissenters.length ? h("p.caution.small", {}, t("script.dissent", { readers: opinion.dissenters.join(", ") })) : null,
    h("p.small.muted", {}, t("script.panel_rule", { rule: w("rule", opinion.rule) })));
}

function voteRow(vote, opinion) {
  const isDissent = opinion.dissenters.includes(vote.reader);
  const answer = vote.presence ? w("presence", vote.presence) : w("outcome", vote.outcome);
  return h(isDissent ? "tr.is-dissent" : "tr", {}, h("th", { scope: "row" }, vote.reader, isDissent ? h("span.tag.warn", {}, t("script.dissents")) : null),
    h("td", {}, answer), h("td.number-cell", {}, vote.probability === null ? "–" : percent(vote.probability)));
}

function panelRow(opinion) {
  return h("tr.panel-row", {}, h("th", { scope: "row" }, t("script.panel")), h("td", {}, w("presence", opinion.presence)),
    h("td.number-cell", {}, `${percent(opinion.probability)} (${percent(opinion.lower)}–${percent(opinion.upper)})`));
}

