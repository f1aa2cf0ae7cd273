// The case around the findings: earlier studies, questions to colleagues, teaching mark, who works on it, what happened.
import { actKey } from "../api.js";
import { fill, h } from "../dom.js";
import { moment } from "../times.js";
import { t, tn, w } from "../words.js";
import { bannerFault } from "./banners.js";

export class CasePanel {
  constructor(place, room) {
    this.place = place;
    this.room = room;
    this.store = room.store;
    this.question = this.questionForm();
    this.answers = new Map();
  }

  draw() {
    const { review } = this.store;
    fill(this.place, this.priors(review), this.questions(review), this.marks(review), this.lock(review), this.history(review));
  }

  priors(review) {
    const line = (prior) => h("li.row", {},
      h("span.modality", {}, (prior.facts.ModalitiesInStudy ?? "?").replaceAll("\\", " ")),
      h("span", {}, prior.facts.StudyDate ? date(prior.facts.StudyDate) : "–"), h("bdi.break", {}, prior.facts.StudyDescription ?? ""),
      h("span.tag.plain", {}, w("case_state", prior.state)), prior.report_count ? h("span.muted.small", {}, tn("script.reports", prior.report_count)) : null,
      h("a.button.small.push", { href: `/studies/${encodeURIComponent(prior.study_instance_uid)}`, target: "_blank", rel: "noopener" }, t("script.open_prior")));
    return h("section.block", { "aria-labelledby": "priors-title" }, h("h2", { id: "priors-title" }, t("script.priors")),
      review.priors.length ? h("ul.stack", {}, review.priors.map(line)) : h("p.muted", {}, t("script.no_priors")));
  }

  /* ---------- questions ---------- */

  questions(review) {
    return h("section.block", { "aria-labelledby": "questions-title", id: "questions" },
      h("h2", { id: "questions-title" }, t("script.questions")),
      review.questions.map((question) => this.questionBlock(question)),
      this.store.mayDecide && this.store.surroundings.colleagues.length ? this.question : null);
  }

  questionBlock(question) {
    const isMine = question.colleague_id === this.store.surroundings.person.id && !question.answered_at;
    return h("article.question", {},
      h("p.muted.small", {}, t("script.asked_by", { asker: question.asker_name, colleague: question.colleague_name, at: moment(question.asked_at) })),
      h("p.prewrap", {}, question.text),
      question.answered_at ? h("div.question-answer", {}, h("p.muted.small", {}, t("script.answered_by", { name: question.colleague_name, at: moment(question.answered_at) })), h("p.prewrap", {}, question.answer)) : null,
      isMine ? this.answerForm(question) : question.answered_at ? null : h("span.tag.warn", {}, t("script.unanswered")));
  }

  answerForm(question) {
    if (this.answers.has(question.id)) return this.answers.get(question.id);
    const id = `answer-${question.id}`;
    const text = h("textarea", { id, rows: 3, required: true, maxlength: 4000 });
    const form = h("form.form", { onsubmit: (event) => { event.preventDefault(); this.send("POST", `questions/${question.id}/answer`, { text: text.value }); } },
      h("div.field", {}, h("label", { for: id }, t("script.your_answer")), text), h("div.button-row", {}, h("button.button.primary", {}, t("script.send_answer"))));
    this.answers.set(question.id, form);
    return form;
  }

  questionForm() {
    const colleague = h("select", { id: "colleague", required: true }, h("option", { value: "" }, t("script.choose_colleague")),
      this.store.surroundings.colleagues.map(({ id, name }) => h("option", { value: id }, name)));
    const text = h("textarea", { id: "question-text", rows: 3, required: true, maxlength: 4000 });
    const form = h("form.form", { onsubmit: async (event) => {
      event.preventDefault();
      if (await this.send("POST", "questions", { colleague_id: colleague.value, question: text.value })) form.reset();
    } },
    h("div.field", {}, h("label", { for: "colleague" }, t("script.ask_colleague")), colleague),
    h("div.field", {}, h("label", { for: "question-text" }, t("script.question_text")), text),
    h("div.button-row", {}, h("button.button", {}, t("script.send_question"))));
    return form;
  }

  /* ---------- marks and lock ---------- */

  marks(review) {
    if (!this.store.mayDecide) return null;
    return h("section.block", {}, h("h2", {}, t("script.teaching_title")),
      h("label.check", {}, h("input", { type: "checkbox", checked: review.is_teaching_case, onchange: (event) => this.send("POST", "teaching", { on: event.target.checked }) }), t("script.teaching_mark")));
  }

  lock(review) {
    if (!this.store.mayDecide) return null;
    const { lock } = review;
    const button = (text, run) => h("button.button", { type: "button", onclick: run }, text);
    const content = !lock ? [h("p", {}, t("script.lock_free")), button(t("script.lock_take"), () => this.send("POST", "lock"))]
      : lock.is_mine ? [h("p", {}, t("script.lock_mine_since", { at: moment(lock.since), until: moment(lock.until) })), button(t("script.lock_release"), () => this.send("DELETE", "lock"))]
        : [h("p", {}, t("script.lock_other_since", { name: lock.person_name, at: moment(lock.since), until: moment(lock.until) })), button(t("script.lock_break"), () => this.room.breakLock())];
    return h("section.block", {}, h("h2", {}, t("script.lock_title")), content);
  }

  history(review) {
    const changes = [...review.changes].reverse();
    if (!changes.length) return null;
    return h("section.block", {}, h("h2", {}, t("script.changes")), h("ul.stack.small", {}, changes.map((change) =>
      h("li", {}, h("span.muted.figures", {}, `${moment(change.at)} `), changeWords(change, this.store)))));
  }

  async send(method, part, body = {}) {
    try {
      await this.store.act(method, part, body, { key: actKey() });
      return true;
    } catch (fault) {
      bannerFault("case", fault);
      return false;
    }
  }
}

/** Say one change in words. */
export function changeWords(change, store) {
  const panel = change.args[0] && store.finding(change.args[0]);
  const name = change.person_name || t("script.nobody");
  return w("change", change.code, { name, what: panel ? panel.finding.tracking_id : change.args.join(" ") });
}

function date(text) {
  return text.length === 8 ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text;
}
