// One finding of a reader: what, where, how sure, why, for whom it was measured, and the doctor's decision on it.
import { h } from "../dom.js";
import { moment } from "../times.js";
import { either, t, w } from "../words.js";
import { confidenceBlock } from "./confidence.js";
import { limitsPart, performancePart, similarPart, versionPart, whyPart } from "./evidence.js";
import { looksBlock } from "./looks.js";

export const REASONS = ["not-present", "wrong-place", "wrong-label", "artefact", "normal-variant", "known-before", "not-relevant", "image-quality", "other"];

/**
 * Make the card.
 * @param panel what the server tells of the finding
 * @param room {store, ui, act, viewing}: ui holds what is open; act does accept, edit, reject, undo
 */
export function findingCard(panel, room) {
  const { store, ui } = room;
  const uid = panel.finding_uid;
  const card = store.review.cards[panel.reader.name];
  const reading = store.review.readings.find((view) => view.reading_uid === panel.reading_uid);
  const open = ui.openParts(uid);
  const verdict = panel.decision?.verdict ?? "";
  const tools = {
    showHeatMap: () => { room.viewing.showHeatMap(uid); room.attention.note(uid, "heat-map"); },
    note: (...parts) => room.attention.note(uid, ...parts),
  };
  return h("article.finding", {
    class: [`presence-${panel.finding.presence}`, verdict ? `verdict-${verdict}` : "is-undecided"].join(" "),
    id: `finding-${uid}`, data: { uid }, tabindex: 0, "aria-label": findingName(panel),
    onclick: (event) => choose(event), onfocusin: () => room.select(uid, { isQuiet: true }),
    onkeydown: (event) => { if (ui.rejecting === uid) answerByKey(event, uid, room); },
  },
    headBlock(panel, room), confidenceBlock(panel, card), looksBlock(panel), decisionBlock(panel, room),
    h("div.evidence", {}, whyPart(panel, open, tools), similarPart(panel, open, tools), performancePart(panel, open, tools), limitsPart(card, open, tools), versionPart(panel, reading, open)));

  function choose(event) {
    if (!event.target.closest("button, summary, a, input, textarea, select")) room.select(uid);
  }
}

/** Name a finding for people. */
export function findingName(panel) {
  const site = panel.finding.site ? either(panel.finding.site.meaning, panel.finding.site.meaning_zh) : "";
  const name = either(panel.finding.code.meaning, panel.finding.code.meaning_zh);
  return `${site ? t("script.name_at", { name, site }) : name}: ${w("presence", panel.finding.presence)}`;
}

function headBlock(panel, room) {
  const { finding } = panel;
  const site = finding.site && either(finding.site.meaning, finding.site.meaning_zh);
  return h("header.finding-head", {},
    h("div.row", {}, h("span.tag.ai", {}, "AI"), h("h3", {}, either(finding.code.meaning, finding.code.meaning_zh)),
      h(`span.presence.presence-${finding.presence}`, {}, w("presence", finding.presence)),
      h("button.button.small.push", { type: "button", onclick: () => room.select(panel.finding_uid), title: t("script.show_place_title") }, t("script.show_place"))),
    h("p.muted.small", {}, [panel.decision ? "" : t("script.not_verified"), panel.reader.name, site, place(panel, room)].filter(Boolean).join(" · ")));
}

function place(panel, room) {
  const image = room.viewing.imageName(panel.finding.image?.sop_instance_uid);
  const kind = panel.finding.outlines.length ? t("script.place_outline") : panel.finding.boxes.length ? t("script.place_box") : panel.finding.heat_map ? t("script.place_heat_map") : t("script.place_image");
  return image ? `${kind} · ${image}` : kind;
}

/* ---------- the decision ---------- */

function decisionBlock(panel, room) {
  const { store, ui } = room;
  const uid = panel.finding_uid;
  if (store.pending.has(uid)) return h("p.deciding", { role: "status" }, t("script.saving"));
  if (ui.nudging === uid) return nudgeForm(panel, room);
  if (ui.rejecting === uid) return rejectMenu(panel, room);
  return panel.decision ? decided(panel, room) : buttons(panel, room);
}

function buttons(panel, room) {
  if (!room.store.mayDecide || room.isReadOnly()) return null;
  const uid = panel.finding_uid;
  const button = (selector, key, name, run) => h(selector, { type: "button", onclick: () => run(uid), "aria-keyshortcuts": key }, t(name), h("kbd", {}, key));
  return h("div.decide", { role: "group", "aria-label": t("script.decide") },
    button("button.button.accept", "a", "script.accept", room.act.accept),
    button("button.button", "e", "script.edit", room.act.edit),
    button("button.button", "r", "script.reject", room.act.reject));
}

function decided(panel, room) {
  const { decision } = panel;
  const who = room.nameOf(decision.person_id);
  const reason = decision.reason ? ` · ${w("reject", decision.reason)}` : "";
  const isFixed = room.isReadOnly() || !room.store.mayDecide || room.isInReport(panel.finding_uid);
  return h("div.decided", {},
    panel.is_outdated ? h("p.caution.strong", {}, t("script.outdated_decision")) : null,
    h("p", {}, h(`span.verdict.verdict-${decision.verdict}`, {}, w("verdict", decision.verdict)), reason,
      h("span.muted", {}, ` · ${t("script.by_at", { name: who, at: moment(decision.at) })}`)),
    decision.comment ? h("p.break", {}, decision.comment) : null,
    decision.statement?.comment ? h("p.break", {}, decision.statement.comment) : null,
    isFixed ? null : h("div.decide", {}, panel.is_outdated ? buttons(panel, room) : null,
      h("button.button.small", { type: "button", onclick: () => room.act.undo(panel.finding_uid) }, t("script.undo"), h("kbd", {}, "u"))));
}

function rejectMenu(panel, room) {
  const uid = panel.finding_uid;
  const kept = room.ui.typed(`reject:${uid}`);
  const comment = h("input", { value: kept.get(), id: `why-${uid}`, maxlength: 1000, autocomplete: "off", oninput: (event) => kept.set(event.target.value) });
  const list = h("div.reasons", { role: "group", "aria-label": t("script.reject_why") }, REASONS.map((reason, place) =>
    h("button.button.reason", { type: "button", onclick: () => room.act.rejectFor(uid, reason, comment) }, h("kbd", {}, String(place + 1)), h("span", {}, w("reject", reason)))));
  return h("div.reject-menu", {},
    h("p.strong", {}, t("script.reject_why")), list,
    h("div.field", {}, h("label", { for: `why-${uid}` }, t("script.reject_comment")), comment),
    h("button.button.small", { type: "button", onclick: () => room.act.cancel() }, t("script.cancel"), h("kbd", {}, "Esc")));
}

/** Choose a reason by its number, wherever in the card the focus is, or close the menu. */
function answerByKey(event, uid, room) {
  const comment = document.getElementById(`why-${uid}`);
  if (event.key === "Escape") room.act.cancel();
  else if (/^[1-9]$/.test(event.key) && event.target !== comment) room.act.rejectFor(uid, REASONS[Number(event.key) - 1], comment);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function nudgeForm(panel, room) {
  const uid = panel.finding_uid;
  if (panel.nudge === "show-place") {
    return h("div.nudge", {}, h("p.strong", {}, t("script.nudge_place")), h("p", {}, t("script.nudge_lead")),
      h("div.button-row", {},
        h("button.button.primary", { type: "button", onclick: () => room.act.answerWithPlace(uid) }, t("script.draw_box")),
        h("button.button", { type: "button", onclick: () => room.act.cancel() }, t("script.cancel"), h("kbd", {}, "Esc"))));
  }
  const kept = room.ui.typed(`nudge:${uid}`);
  const answer = h("input", { value: kept.get(), id: `nudge-${uid}`, required: true, minlength: 3, maxlength: 500, autocomplete: "off", oninput: (event) => kept.set(event.target.value) });
  const form = h("form.nudge", { onsubmit: (event) => { event.preventDefault(); room.act.acceptBecause(uid, answer.value.trim()); } },
    h("label", { for: `nudge-${uid}` }, t("script.nudge_why")), h("p.small.muted", {}, t("script.nudge_lead")), answer,
    h("div.button-row", {}, h("button.button.primary", {}, t("script.accept")),
      h("button.button", { type: "button", onclick: () => room.act.cancel() }, t("script.cancel"), h("kbd", {}, "Esc"))));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { room.act.cancel(); event.preventDefault(); event.stopPropagation(); }
  });
  return form;
}
