// The panel of findings: what is to decide first, then what is decided, the doctor's own, and who did not answer.
import { h, keep } from "../dom.js";
import { moment } from "../times.js";
import { either, t, tn, w } from "../words.js";
import { askingBlock } from "./asking.js";
import { findingCard } from "./finding_card.js";
import { followUpBlock } from "./follow_up.js";
import { impressionForm } from "./impression.js";
import { opinionsBlock } from "./opinions.js";
import { readingsBlock } from "./readings.js";

const FOCUSABLE = "a, button, input, select, textarea, summary";

export class FindingsPanel {
  constructor(place, room) {
    this.place = place;
    this.room = room;
    this.cards = new Map();
    this.parts = new Map();
    this.form = impressionForm(room.store);
    this.forced = new Set();
  }

  /** Draw a card anew although the server tells the same of it. */
  redraw(uid) {
    this.forced.add(uid);
    this.draw();
  }

  draw() {
    const { review } = this.room.store;
    const focus = this.focused();
    const rights = [this.room.store.mayDecide, this.room.isReadOnly(), review.reports.length];
    keep(this.place,
      this.part("mode", [review.reveal_by, Boolean(review.impression), rights], () => this.modeBlock(review)),
      this.part("impression", review.impression, () => this.ownImpression(review)),
      this.findingsBlock(review),
      this.part("own", [review.decisions.filter((decision) => decision.verdict === null), rights], () => this.ownBlock(review)),
      this.part("asking", [review.askable, review.asked, rights], () => askingBlock(review, this.room)),
      this.part("follow-up", [review.nodules, rights], () => followUpBlock(review, this.room)),
      this.part("opinions", review.opinions, () => opinionsBlock(review)),
      this.part("readings", review.readings, () => readingsBlock(review)));
    if (focus) this.refocus(focus);
    this.forced.clear();
  }

  /** Give a part of the panel; the same element as long as what it is made of has not changed. */
  part(name, basis, make) {
    const state = JSON.stringify(basis);
    const held = this.parts.get(name);
    if (held?.state === state) return held.element;
    const element = make();
    this.parts.set(name, { state, element });
    return element;
  }

  /** Mark the selected card. */
  mark() {
    const { selected } = this.room.store;
    for (const [uid, { element }] of this.cards) {
      element.classList.toggle("is-selected", uid === selected);
      if (uid === selected) element.setAttribute("aria-current", "true"); else element.removeAttribute("aria-current");
    }
  }

  /** Which element of which card has the focus, and the how-manieth of the card's it is. */
  focused() {
    const element = document.activeElement;
    const card = element?.closest?.("article.finding");
    if (!card || !this.place.contains(card)) return null;
    const order = [...card.querySelectorAll(FOCUSABLE)];
    return { element, uid: card.dataset.uid, at: order.indexOf(element), many: order.length };
  }

  /** Give the focus back to the same element; where its card was made anew, to the one in its place, or to the card. */
  refocus({ element, uid, at, many }) {
    const card = document.getElementById(`finding-${uid}`);
    const order = [...card?.querySelectorAll(FOCUSABLE) ?? []];
    const replaced = (element.id && document.getElementById(element.id)) || (order.length === many && order[at]) || card;
    const target = element.isConnected ? element : replaced;
    if (target && document.activeElement !== target) target.focus({ preventScroll: true });
  }

  modeBlock(review) {
    if (review.reveal_by === "impression") {
      return h("section.mode-block", {}, h("h2", {}, t("script.mode_blind")), review.impression || !this.room.store.mayDecide ? h("p", {}, w("withheld", "blind-first")) : this.form);
    }
    if (review.reveal_by === "draft") {
      return h("section.mode-block", {}, h("h2", {}, t("script.mode_second")), h("p", {}, t("script.mode_second_lead")),
        h("button.button.primary", { type: "button", onclick: () => { this.room.openTab("report"); this.room.report.open(); } }, t("script.write_draft"), h("kbd", {}, "d")));
    }
    if (review.reveal_by === "never") {
      return h("section.mode-block", {}, h("h2", {}, t("script.mode_triage")), h("p", {}, t("script.mode_triage_lead")));
    }
    return null;
  }

  ownImpression(review) {
    if (!review.impression) return null;
    const { is_abnormal: isAbnormal, confidence, text, at } = review.impression;
    return h("section.own-impression", {}, h("span.tag.doctor", {}, t("script.your_impression")),
      h("span", {}, t(isAbnormal ? "script.impression_abnormal" : "script.impression_normal"), ` · ${Math.round(confidence * 100)}%`, text ? ` · ${text}` : ""),
      h("span.muted", {}, moment(at)));
  }

  findingsBlock(review) {
    const uids = new Set(review.findings.map((panel) => panel.finding_uid));
    for (const uid of this.cards.keys()) if (!uids.has(uid)) this.cards.delete(uid);
    if (!review.findings.length) return this.part("none", review.is_revealed, () => (review.is_revealed ? h("p.empty", {}, t("script.no_findings")) : null));
    const undecided = review.findings.filter((panel) => !panel.decision || panel.is_outdated).length;
    this.block ??= h("section.block", { "aria-labelledby": "findings-title" });
    const head = this.part("head", undecided, () => h("div.row", {}, h("h2", { id: "findings-title" }, t("script.findings_of_readers")),
      h("span.muted.push", {}, undecided ? tn("script.undecided", undecided) : t("script.all_decided"))));
    keep(this.block, head, this.room.store.findings.map((panel) => this.card(panel)));
    this.mark();
    return this.block;
  }

  /** Give the card of a finding; the same element as long as nothing of it has changed. */
  card(panel) {
    const uid = panel.finding_uid;
    const { store, ui } = this.room;
    const state = JSON.stringify([panel, store.pending.has(uid), ui.nudging === uid, ui.rejecting === uid, this.room.isReadOnly(), this.room.isInReport(uid)]);
    const held = this.cards.get(uid);
    if (held && held.state === state && !this.forced.has(uid)) return held.element;
    const element = findingCard(panel, this.room);
    this.cards.set(uid, { state, element });
    return element;
  }

  ownBlock(review) {
    const own = review.decisions.filter((decision) => decision.verdict === null && decision.statement);
    const { store } = this.room;
    const add = store.mayDecide && !this.room.isReadOnly()
      ? h("button.button", { type: "button", onclick: () => this.room.act.add() }, t("script.add_own"), h("kbd", {}, "o")) : null;
    if (!own.length && !add) return null;
    return h("section.block", { "aria-labelledby": "own-title" }, h("h2", { id: "own-title" }, t("script.own_findings")),
      own.map((decision) => this.ownCard(decision)), add);
  }

  ownCard(decision) {
    const { statement } = decision;
    const isFixed = this.room.isReadOnly() || !this.room.store.mayDecide || this.room.isInReport(decision.finding_uid);
    const site = statement.site && either(statement.site.meaning, statement.site.meaning_zh);
    return h("article.finding.own", { data: { uid: decision.finding_uid } },
      h("div.row", {}, h("span.tag.doctor", {}, t("script.doctor_tag")), h("h3", {}, either(statement.code.meaning, statement.code.meaning_zh)),
        h("span.presence", {}, w("presence", statement.presence)),
        statement.image ? h("button.button.small.push", { type: "button", onclick: () => this.room.viewing.showOwn(decision) }, t("script.show_place")) : null),
      h("p.muted", {}, [site, t("script.by_at", { name: this.room.nameOf(decision.person_id), at: moment(decision.at) })].filter(Boolean).join(" · ")),
      statement.comment ? h("p.break", {}, statement.comment) : null,
      isFixed ? null : h("button.button.small", { type: "button", onclick: () => this.room.act.undo(decision.finding_uid) }, t("script.take_back")));
  }
}
