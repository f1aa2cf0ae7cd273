// The report: a draft made of what was accepted, edited by the doctor, saved as it is typed, signed, amended.
import { get } from "../api.js";
import { confirmed, openDialog } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { moment } from "../times.js";
import { either, language, t, w } from "../words.js";
import { banner, bannerFault, unbanner } from "./banners.js";
import { SectionEditor } from "./editor.js";
import { Kept } from "./keeping.js";
import { openPhrases } from "./phrases.js";
import { reportsBlock } from "./signed.js";
import { openSigning } from "./signing.js";

const PAUSE_MS = 1200;
const LONGEST_MS = 8000;

export class ReportPanel {
  constructor(place, room) {
    this.place = place;
    this.room = room;
    this.store = room.store;
    this.kept = new Kept("draft", this.store.review.study_instance_uid, this.store.surroundings.person.id);
    this.editors = [];
    this.template = "";
    this.language = "";
    this.saved = "";
    this.known = new Map();
    this.status = h("span.save-state", { role: "status" });
    this.hurdles = h("div.hurdles");
    this.faults = h("div");
    this.isBusy = false;
    window.addEventListener("beforeunload", (event) => { if (this.isUnsaved) event.preventDefault(); });
    document.addEventListener("visibilitychange", () => { if (document.hidden && this.isUnsaved) this.save().catch(() => {}); });
  }

  get isUnsaved() { return this.editors.length > 0 && this.fingerprint() !== this.saved; }

  fingerprint() {
    return printOf({ template: this.template, language: this.language, sections: this.editors });
  }

  /* ---------- drawing ---------- */

  /** Draw what belongs to the present state; a text that is being typed is never re-drawn. */
  draw() {
    const { review } = this.store;
    if (this.editors.length) {
      this.learn(review.draft);
      this.heedOtherWindow(review.draft);
      this.drawFaults();
      this.drawHurdles();
      this.drawFooter();
      return;
    }
    if (this.isBusy) return;
    const kept = this.kept.get();
    if (this.room.isReadOnly() || !this.store.mayDecide) this.drawStart();
    else if (this.store.isSigned && kept?.isAddendum) this.openAddendum();
    else if (!this.store.isSigned && (kept || review.draft)) this.startWith(kept, review.draft);
    else this.drawStart();
  }

  drawStart() {
    const { review } = this.store;
    this.editors = [];
    const write = this.store.mayDecide && !this.room.isReadOnly() ? h("button.button.primary", { type: "button", onclick: () => this.open() }, t("script.write_draft"), h("kbd", {}, "d")) : null;
    fill(this.place, reportsBlock(this.room), review.reports.length ? null : h("div.empty.stack", {}, h("p", {}, t("script.no_draft")), h("div", {}, write)),
      review.draft && (this.room.isReadOnly() || !this.store.mayDecide) && !review.reports.length ? readOnlyDraft(review.draft, this.store.surroundings.templates) : null);
  }

  /** Make or go on with the draft. */
  async open() {
    if (this.editors.length) return this.focusImpression();
    if (this.room.isReadOnly() || !this.store.mayDecide) return undefined;
    const { review, surroundings } = this.store;
    return this.generate(review.draft?.template ?? review.suggested_template, review.draft?.language ?? surroundings.report_language ?? language);
  }

  async generate(template, lang) {
    this.isBusy = true;
    try {
      const draft = await this.fetchDraft(template, lang);
      this.learn(draft);
      this.edit(draft, draft.sections.map(asText));
      this.saved = "";
      await this.save();
      this.focusImpression();
    } catch (fault) {
      bannerFault("draft", fault);
    } finally {
      this.isBusy = false;
    }
  }

  focusImpression() {
    (this.editors.find((editor) => editor.name === "impression") ?? this.editors[0])?.field.focus();
  }

  fetchDraft(template, lang) {
    return get(`${this.store.path}/draft?template=${encodeURIComponent(template)}&language=${encodeURIComponent(lang)}`);
  }

  /** Go on with the saved draft, or with newer words that this window has kept. */
  startWith(kept, draft) {
    const server = draft && asTexts(draft);
    const isSame = kept && server && printOf(kept) === printOf(server);
    this.learn(draft);
    const chosen = kept && !isSame ? kept : server;
    this.edit(chosen, chosen.sections);
    this.saved = server ? printOf(server) : "";
    if (kept && !isSame) {
      banner("kept", { kind: "good", text: t("script.kept_restored"), actions: server ? [h("button.button.small", { type: "button", onclick: () => this.take(server) }, t("script.take_saved"))] : [] });
      this.changed();
    }
    this.saySaved(draft);
    if (draft) this.learnGenerated();
  }

  /** Let the words of the template be known, so that their marks are right before the next saving. */
  async learnGenerated() {
    const draft = await this.fetchDraft(this.template, this.language).catch(() => null);
    if (draft) this.learn(draft);
  }

  /** Another window of the same doctor, or whoever held the study before, has saved: no words are overwritten unseen. */
  heedOtherWindow(draft) {
    if (!draft || this.saving || this.isBusy || this.store.isSigned) return;
    const server = printOf(asTexts(draft));
    if (server === this.saved || server === this.fingerprint()) return;
    if (this.isUnsaved) {
      this.showConflict();
      return;
    }
    this.take(asTexts(draft));
    banner("kept", { kind: "plain", text: t("script.other_window") });
  }

  take(server) {
    this.edit(server, server.sections);
    this.kept.clear();
    this.saved = this.fingerprint();
    unbanner("kept");
  }

  edit({ template, language: lang }, sections) {
    this.template = template;
    this.language = lang;
    const titles = sectionTitles(this.store.surroundings.templates, template, lang);
    const originOf = (line) => this.known.get(line) ?? "typed";
    this.footer = this.foot();
    this.wasSigned = this.store.isSigned;
    this.editors = sections.map((section) => new SectionEditor({ ...section, title: titles.get(section.name) ?? w("section", section.name) }, originOf, () => this.changed()));
    fill(this.place, reportsBlock(this.room), this.toolbar(), this.faults, h("div.sections-of-report", { lang: lang === "zh" ? "zh-CN" : "en" }, this.editors.map((editor) => editor.element)),
      legend(), this.hurdles, this.footer);
    this.drawFaults();
    this.drawHurdles();
    requestAnimationFrame(() => this.lay());
  }

  /** Measure lines anew, e.g. after the tab was hidden. */
  lay() {
    for (const editor of this.editors) editor.lay();
  }

  toolbar() {
    const { templates } = this.store.surroundings;
    const choose = (name, label, options, chosen, change) => h("label.filter", {}, h("span.unseen", {}, label),
      h("select", { name, "aria-label": label, onchange: (event) => change(event.target.value) }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
    return h("div.report-tools", {},
      choose("template", t("script.template"), Object.entries(templates).map(([name, template]) => [name, template.titles[language] ?? name]), this.template, (value) => this.rework(value, this.language)),
      choose("language", t("script.report_language"), [["en", "English"], ["zh", "中文"]], this.language, (value) => this.rework(this.template, value)),
      h("button.button.small", { type: "button", onclick: () => openPhrases(this) }, t("script.phrases"), h("kbd", {}, "Alt P")),
      h("span.push", {}, this.status));
  }

  /** Begin anew with another template or language; asks first where something would be lost. */
  async rework(template, lang) {
    const typed = this.editors.some((editor) => editor.text.split("\n").some((line) => line.trim() && !this.known.has(line.trim())));
    const isSure = !typed || await confirmed({ title: t("script.rework"), text: t("script.rework_sure"), action: t("script.rework_yes") });
    if (isSure) await this.generate(template, lang);
    else this.edit({ template: this.template, language: this.language }, this.editors.map(({ name, text }) => ({ name, text })));
  }

  /** Say by the button what signing now means; somebody else may have signed meanwhile. */
  drawFooter() {
    this.footer.hidden = this.room.isReadOnly();
    if (this.store.isSigned === this.wasSigned || this.isSigning) return;
    this.wasSigned = this.store.isSigned;
    fill(this.footer, ...this.foot().childNodes);
    banner("signed-meanwhile", { kind: "warn", text: t("script.signed_meanwhile") });
  }

  foot() {
    const sign = h("button.button.primary", { type: "button", onclick: () => this.sign() }, t(this.store.isSigned ? "script.sign_addendum" : "script.sign"), h("kbd", {}, "s"));
    return h("div.report-foot", {}, h("button.button", { type: "button", onclick: () => this.save().catch((fault) => bannerFault("save", fault)) }, t("script.save_now"), h("kbd", {}, "Ctrl ↵")),
      this.store.maySign ? sign : null);
  }

  /* ---------- what is known of lines, and what is wrong ---------- */

  learn(draft) {
    if (!draft) return;
    for (const section of draft.sections) {
      for (const line of section.lines) if (line.origin !== "typed") this.known.set(line.text, line.origin);
    }
    for (const editor of this.editors) {
      editor.known = null;
      editor.lay();
    }
  }

  drawFaults() {
    const faults = this.store.review.draft_faults;
    const codes = new Set(faults.map((fault) => fault.code));
    fill(this.faults, codes.size ? h("div.message.warn", {}, h("span", {}, [...codes].map((code) => w("draft_fault", code)).join(" ")),
      h("button.button.small.push", { type: "button", onclick: () => this.bringUpToDate() }, t("script.bring_up_to_date"))) : null);
  }

  drawHurdles() {
    const { hurdles } = this.store.review;
    fill(this.hurdles, hurdles.length ? h("details.hurdle-list", {}, h("summary", {}, t("script.hurdles_title")),
      h("ul", {}, [...new Set(hurdles.map((hurdle) => hurdleWords(hurdle, this.store)))].map((words) => h("li", {}, words)))) : null);
  }

  /** Put in the lines of newly accepted findings, take out those of findings that no longer stand. */
  bringUpToDate() {
    this.bringing = this.bring().catch((fault) => bannerFault("draft", fault));
  }

  async bring() {
    const fresh = await this.fetchDraft(this.template, this.language);
    this.learn(fresh);
    const due = new Due(fresh.sections);
    for (const editor of this.editors) editor.text = due.without(editor.text, this.known);
    for (const section of fresh.sections) {
      const editor = this.editors.find(({ name }) => name === section.name);
      if (editor) editor.text = due.withMissing(editor.text, section);
    }
    this.changed();
    await this.save({ isForced: true });
  }

  /* ---------- saving ---------- */

  changed() {
    this.kept.set({ isAddendum: this.store.isSigned, template: this.template, language: this.language, sections: this.editors.map(({ name, text }) => ({ name, text })) });
    this.say(t("script.save_typing"));
    clearTimeout(this.timer);
    this.since ??= Date.now();
    this.timer = setTimeout(() => this.save().catch(() => {}), Math.max(0, Math.min(PAUSE_MS, this.since + LONGEST_MS - Date.now())));
  }

  /** Save what is typed; resolves when the server has it. */
  async save({ isForced = false } = {}) {
    clearTimeout(this.timer);
    this.since = undefined;
    if (this.store.isSigned || this.room.isReadOnly()) return this.say(t("script.save_window"));
    if (this.saving) await this.saving.catch(() => {});
    const print = this.fingerprint();
    if (!this.editors.length || print === this.saved && !isForced) return undefined;
    this.say(t("script.saving"));
    const body = { template: this.template, language: this.language, sections: this.editors.map(({ name, text }) => ({ name, text })) };
    this.saving = this.store.act("PUT", "draft", body, { about: "draft" });
    try {
      await this.saving;
      this.saved = print;
      unbanner("save");
      unbanner("kept");
      if (!this.isUnsaved) this.kept.clear();
      this.saySaved(this.store.review.draft);
    } catch (fault) {
      this.say(t("script.save_failed"), true);
      if (fault.number === 1202) this.showConflict();
      else bannerFault("save", fault, [h("button.button.small", { type: "button", onclick: () => this.save().catch(() => {}) }, t("script.try_again"))]);
      throw fault;
    } finally {
      this.saving = undefined;
    }
    return undefined;
  }

  say(words, isBad = false) {
    this.status.textContent = words;
    this.status.classList.toggle("is-bad", isBad);
  }

  saySaved(draft) {
    if (!this.isUnsaved && draft) this.say(t("script.saved_at", { at: moment(new Date().toISOString()) }));
  }

  /** Another hand changed the study meanwhile: show both texts, lose neither. */
  showConflict() {
    if (document.getElementById("conflict")) return;
    const server = this.store.review.draft && asTexts(this.store.review.draft);
    const mine = this.editors.map(({ name, text }) => ({ name, text }));
    if (!server || printOf(server) === this.fingerprint() || printOf(server) === this.saved) {
      this.save().catch(() => {});
      return;
    }
    clearTimeout(this.timer);
    const column = (title, sections) => h("section", {}, h("h3", {}, title), sections.map((section) => [h("h4", {}, w("section", section.name)), h("p.prewrap", {}, section.text || "–")]));
    const keep = h("button.button.primary", { type: "button", onclick: () => { dialog.close(); this.saved = printOf(server); this.save().catch(() => {}); } }, t("script.keep_mine"));
    const take = h("button.button", { type: "button", onclick: () => { dialog.close(); this.take(server); } }, t("script.take_theirs"));
    const dialog = openDialog({ title: t("script.conflict"), big: true, isStaying: true,
      body: [h("p", {}, t("script.conflict_lead")), h("div.side-by-side", { id: "conflict" }, column(t("script.mine"), mine), column(t("script.theirs"), server.sections))], actions: [take, keep] });
  }

  /* ---------- signing ---------- */

  /** Begin or go on with an addendum, in the language of the report; its words are kept in this window until they are signed. */
  async openAddendum() {
    if (!this.store.maySign || this.room.isReadOnly() || !this.store.isSigned || this.isBusy) return;
    if (!this.editors.length) {
      this.isBusy = true;
      const kept = this.kept.get();
      const { draft } = this.store.review.reports.at(-1);
      const sections = kept?.isAddendum ? kept.sections : await this.newLines(draft);
      this.edit({ template: draft.template, language: draft.language }, sections);
      this.saved = this.fingerprint();
      this.say(t("script.save_window"));
      this.isBusy = false;
    }
    this.focusImpression();
  }

  /** Give the sections of an addendum: the lines of findings that were decided after the last signature. */
  async newLines({ template, language: lang, sections }) {
    const fresh = await this.fetchDraft(template, lang).catch(() => null);
    this.learn(fresh);
    const isNew = (line) => line.origin === "finding" && !this.room.isInReport(line.finding_uid);
    return (fresh?.sections ?? sections).map(({ name, lines }) => ({ name, text: fresh ? lines.filter(isNew).map((line) => line.text).join("\n") : "" }));
  }

  async sign() {
    if (!this.store.maySign) return;
    if (!this.editors.length) {
      await this.open();
      return;
    }
    await this.bringing;
    try {
      await this.save();
    } catch {
      return;
    }
    openSigning(this);
  }

  /** What a signature would now sign, in a form that can be compared. */
  toSign() {
    const { draft } = this.store.review;
    if (this.store.isSigned) return this.fingerprint();
    return draft ? printOf(asTexts(draft)) : "";
  }

  /** After the signature: the words are the record's now. */
  finished() {
    this.kept.clear();
    this.editors = [];
    this.saved = "";
    this.drawStart();
  }

  sections() {
    const titles = sectionTitles(this.store.surroundings.templates, this.template, this.language);
    return this.editors.map(({ name, text }) => ({ name, text, title: titles.get(name) ?? w("section", name) }));
  }
}

/** Say what stands between the study and the signature. */
export function hurdleWords(hurdle, store) {
  const panel = hurdle.args.length ? store.finding(hurdle.args[0]) : null;
  const name = panel ? either(panel.finding.code.meaning, panel.finding.code.meaning_zh) : hurdle.args.join(" ");
  return w("hurdle", hurdle.code, { name });
}

function asText(section) {
  return { name: section.name, text: section.lines.map((line) => line.text).join("\n") };
}

function asTexts({ template, language: lang, sections }) {
  return { template, language: lang, sections: sections.map(asText) };
}

/** Write what the server keeps of a report: lines without padding, none empty. */
function printOf({ template, language: lang, sections }) {
  const kept = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  return JSON.stringify([template, lang, sections.map(({ name, text }) => [name, kept(text)])]);
}

/** Give the titles of a template's sections. */
export function sectionTitles(templates, template, lang) {
  return new Map((templates[template]?.sections ?? []).map((section) => [section.name, section.titles[lang]]));
}

/** Lines that a fresh draft has, each as often as findings ask for it; the doctor may have moved them. */
class Due {
  constructor(sections) {
    this.counts = new Map();
    for (const { text } of sections.flatMap((section) => section.lines)) this.counts.set(text, (this.counts.get(text) ?? 0) + 1);
  }

  take(line) {
    const count = this.counts.get(line) ?? 0;
    if (count) this.counts.set(line, count - 1);
    return count > 0;
  }

  /** Give a text without the lines that were made and are due no longer. */
  without(text, known) {
    return text.split("\n").filter((line) => this.take(line.trim()) || !known.has(line.trim())).join("\n");
  }

  /** Give a text with the lines of its section that stand nowhere yet. */
  withMissing(text, section) {
    const missing = section.lines.map((line) => line.text).filter((line) => this.take(line));
    return missing.length ? [text.replace(/\n$/, ""), ...missing].filter((part, place) => part || place).join("\n") : text;
  }
}

function legend() {
  return h("ul.legend.small.muted", { "aria-label": t("script.legend") }, ["template", "finding", "typed"].map((origin) =>
    h("li", {}, h(`span.mark.mark-${origin}`, { "aria-hidden": "true" }, w("origin_mark", origin)), w("origin", origin))));
}

function readOnlyDraft(draft, templates) {
  const titles = sectionTitles(templates, draft.template, draft.language);
  return h("section.block", {}, h("h2", {}, t("script.draft_of_other")), draft.sections.map((section) => [h("h3", {}, titles.get(section.name) ?? section.name), h("p.prewrap", {}, asText(section).text || "–")]));
}
