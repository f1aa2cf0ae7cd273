// What the doctor does with findings: one act each, told at once, taken back as easily.
import { announce } from "../dom.js";
import { t, w } from "../words.js";
import { bannerFault, unbanner } from "./banners.js";
import { findingName } from "./finding_card.js";
import { closeSheet, openSheet } from "./statement_sheet.js";

export class Acts {
  constructor(room) {
    this.room = room;
    for (const name of ["accept", "edit", "reject", "undo", "add"]) this[name] = this[name].bind(this);
  }

  get store() { return this.room.store; }

  /** Whether a finding may be decided on now. */
  mayDecide(uid) {
    const panel = this.store.finding(uid);
    const isFree = this.store.mayDecide && !this.room.isReadOnly() && !this.room.isInReport(uid);
    return isFree && panel && (!panel.decision || panel.is_outdated);
  }

  /** Put an act off until the one under way on the same finding has ended: a key pressed meanwhile is not lost. */
  isPutOff(uid, act) {
    if (!this.store.pending.has(uid)) return false;
    this.store.queue.then(() => act(uid));
    return true;
  }

  accept(uid) {
    if (this.isPutOff(uid, this.accept) || !this.mayDecide(uid)) return undefined;
    if (this.store.finding(uid).nudge) return this.ask(uid);
    return this.decide(uid, { verdict: "accepted" });
  }

  /** Ask for place or reason before accepting. */
  ask(uid) {
    this.turnTo(uid, "nudging");
    document.getElementById(`nudge-${uid}`)?.focus();
  }

  acceptBecause(uid, answer) {
    this.cancel();
    return this.decide(uid, { verdict: "accepted", nudge: answer });
  }

  async answerWithPlace(uid) {
    const drawn = await this.room.viewing.drawBox();
    if (!drawn?.box) return undefined;
    const { left_px: left, top_px: top, width_px: width, height_px: height } = drawn.box;
    const place = [left, top, width, height].map((number) => number.toFixed(1)).join(",");
    return this.acceptBecause(uid, `place ${drawn.sopInstanceUid}#${drawn.frame} ${place}`);
  }

  edit(uid) {
    if (this.isPutOff(uid, this.edit) || !this.mayDecide(uid)) return;
    const panel = this.store.finding(uid);
    openSheet({ title: t("script.edit_title"), statement: panel.statement, panel, room: this.room, save: (stated) => this.decide(uid, { verdict: "edited", statement: stated }, { isThrowing: true }) });
  }

  reject(uid) {
    if (this.isPutOff(uid, this.reject) || !this.mayDecide(uid)) return;
    this.turnTo(uid, "rejecting");
    document.querySelector(`#finding-${CSS.escape(uid)} .reason`)?.focus();
  }

  rejectFor(uid, reason, comment) {
    if (reason === "other" && !comment.value.trim()) {
      comment.focus();
      announce(t("script.reject_comment_needed"));
      comment.setAttribute("aria-invalid", "true");
      return undefined;
    }
    const words = comment.value.trim();
    this.room.ui.typed(`reject:${uid}`).clear();
    this.cancel();
    return this.decide(uid, { verdict: "rejected", reason, comment: words });
  }

  /** Close what is open in a card. */
  cancel() {
    const uid = this.room.ui.nudging || this.room.ui.rejecting;
    Object.assign(this.room.ui, { nudging: "", rejecting: "" });
    if (!uid) return;
    this.room.findings.redraw(uid);
    document.getElementById(`finding-${uid}`)?.focus({ preventScroll: true });
  }

  turnTo(uid, what) {
    this.room.openTab("findings");
    Object.assign(this.room.ui, { nudging: "", rejecting: "", [what]: uid });
    this.room.attend(uid);
    this.room.findings.redraw(uid);
    document.getElementById(`finding-${uid}`)?.scrollIntoView({ block: "nearest" });
  }

  async decide(uid, body, { isThrowing = false } = {}) {
    try {
      await this.store.act("POST", `findings/${encodeURIComponent(uid)}/decision`, { ...body, ...this.room.attention.of(uid) }, { about: uid });
      unbanner("decision");
      const panel = this.store.finding(uid);
      if (panel) announce(`${findingName(panel)}: ${w("verdict", body.verdict)}`);
    } catch (fault) {
      if (isThrowing) throw fault;
      bannerFault("decision", fault);
    }
  }

  async undo(uid) {
    if (this.isPutOff(uid, this.undo)) return;
    const isOwn = this.store.review.decisions.some((decision) => decision.finding_uid === uid);
    if (!isOwn || !this.store.mayDecide || this.room.isReadOnly()) return;
    try {
      await this.store.act("DELETE", `findings/${encodeURIComponent(uid)}/decision`, {}, { about: uid });
      announce(t("script.undone"));
    } catch (fault) {
      bannerFault("decision", fault);
    }
  }

  add() {
    if (!this.store.mayDecide || this.room.isReadOnly()) return;
    closeSheet();
    openSheet({ title: t("script.add_title"), room: this.room, save: (stated) => this.store.act("POST", "statements", stated, { about: "statement" }) });
  }

  async acknowledge() {
    await this.store.act("POST", "acknowledgement").catch((fault) => bannerFault("acknowledge", fault));
  }
}
