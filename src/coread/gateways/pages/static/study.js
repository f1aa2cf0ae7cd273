// The study page: puts store, viewer, findings, report and case together, and hears keys and the outside.
import "./page.js";
import { isDialogOpen, openDialog } from "./dialogs.js";
import { announce, h, isTyping, pageData } from "./dom.js";
import { bindKeys, showKeys } from "./keys.js";
import { listen } from "./live.js";
import { Acts } from "./study/acts.js";
import { answerTo, ask } from "./study/asking.js";
import { Attention } from "./study/attention.js";
import { banner, bannerFault, unbanner } from "./study/banners.js";
import { CasePanel, changeWords } from "./study/case.js";
import { FindingsPanel } from "./study/findings.js";
import { openPhrases } from "./study/phrases.js";
import { ReportPanel } from "./study/report.js";
import { drawSigns } from "./study/signs.js";
import { closeSheet, isSheetOpen } from "./study/statement_sheet.js";
import { Store } from "./study/store.js";
import { Tabs } from "./study/tabs.js";
import { Viewing } from "./study/viewing.js";
import { t, tn } from "./words.js";

const store = new Store(pageData("review"), pageData("surroundings"));
const attention = new Attention();
const viewing = new Viewing(store);

/* ---------- what the parts share ---------- */

const parts = new Map();
const typed = new Map();

const ui = {
  nudging: "",
  rejecting: "",
  openParts(uid) {
    if (!parts.has(uid)) parts.set(uid, new Set());
    return parts.get(uid);
  },
  typed(name) {
    return { get: () => typed.get(name) ?? "", set: (value) => typed.set(name, value), clear: () => typed.delete(name) };
  },
};

const room = {
  store, ui, viewing, attention,
  nameOf: (id) => (id === store.surroundings.person.id ? t("script.you") : store.surroundings.names[id] ?? t("script.somebody")),
  isReadOnly: () => store.isGone || store.isLockedByOther,
  isInReport: (uid) => store.review.reports.some((one) => one.finding_uids.includes(uid)),
  openTab: (name) => tabs.show(name),
  select, attend, breakLock,
};
room.act = new Acts(room);

const findings = new FindingsPanel(document.getElementById("findings"), room);
const report = new ReportPanel(document.getElementById("report"), room);
const casePanel = new CasePanel(document.getElementById("case"), room);
Object.assign(room, { findings, report });
const tabs = new Tabs((name) => {
  if (name === "report") report.lay();
});

/** Select a finding: it is marked, and the images show it. */
function select(uid, { isQuiet = false } = {}) {
  if (!uid || store.selected === uid && isQuiet) return;
  attend(uid);
  viewing.show(uid);
  if (isQuiet) return;
  const card = document.getElementById(`finding-${uid}`);
  card?.scrollIntoView({ block: "nearest" });
  card?.focus({ preventScroll: true });
}

/** Note that a finding is being looked at, and what of it is on the screen. */
function attend(uid) {
  store.selected = uid;
  attention.turnTo(uid);
  attention.note(uid, "probability", "interval");
  if (store.finding(uid)?.finding.boxes.length) attention.note(uid, "box");
  findings.mark();
}

function step(by) {
  tabs.show("findings");
  const uids = store.findings.map((panel) => panel.finding_uid);
  const at = uids.indexOf(store.selected);
  select(uids[Math.max(0, Math.min(uids.length - 1, at < 0 ? 0 : at + by))]);
}

function breakLock() {
  const reason = h("input", { id: "break-reason", required: true, maxlength: 500, autocomplete: "off" });
  const form = h("form.field", { id: "break-form", onsubmit: send }, h("p", {}, t("script.lock_break_lead", { name: store.review.lock?.person_name ?? "" })),
    h("label", { for: "break-reason" }, t("script.lock_break_reason")), reason);
  const dialog = openDialog({ title: t("script.lock_break"), body: [form],
    actions: [h("button.button", { type: "button", onclick: () => dialog.close() }, t("script.cancel")), h("button.button.danger", { form: "break-form" }, t("script.lock_break"))] });
  reason.focus();
  async function send(event) {
    event.preventDefault();
    dialog.close();
    await store.act("POST", "lock", { reason: reason.value }).catch((fault) => bannerFault("lock", fault));
  }
}

/* ---------- drawing ---------- */

let liveState = "waiting";
let before = store.review;
const untold = [];

function draw() {
  const { review } = store;
  drawSigns(store, liveState);
  findings.draw();
  report.draw();
  casePanel.draw();
  viewing.draw();
  const undecided = review.findings.filter((panel) => !panel.decision || panel.is_outdated).length;
  tabs.count("findings", undecided);
  tabs.count("case", review.questions.filter((question) => !question.answered_at && question.colleague_id === store.surroundings.person.id).length);
  drawNotices(review);
  const answered = before === review ? "" : answerTo(before, review, store.surroundings.person.id);
  before = review;
  if (answered && !isTyping(document.activeElement) && !isSheetOpen()) select(answered);
}

function drawNotices(review) {
  if (store.isGone) {
    banner("gone", { kind: "bad", isLasting: true, text: t("script.gone"), more: [h("span", {}, t("script.gone_more"))] });
    return;
  }
  if (store.isLockedByOther && store.mayDecide) {
    banner("lock", { kind: "warn", isLasting: true, text: t("script.lock_other", { name: review.lock.person_name }), more: [h("span", {}, t("script.lock_other_more"))],
      actions: [h("button.button.small", { type: "button", onclick: breakLock }, t("script.lock_break"))] });
  } else unbanner("lock");
  if (review.is_changed_since_signing && store.mayDecide) {
    banner("changed", { kind: "warn", isLasting: true, text: t("script.changed_since_signing"),
      actions: [h("button.button.small", { type: "button", onclick: () => room.act.acknowledge() }, t("script.acknowledge"))] });
  } else unbanner("changed");
  if (before !== review) tellOutsideChanges(review);
}

/**
 * Say what others, scanners and readers did since the last state of this page. What was not put away yet is said
 * again with it: an answer of a reader must not hide that images arrived.
 */
function tellOutsideChanges(review) {
  const mine = store.surroundings.person.id;
  const fresh = review.changes.filter((change) => change.revision > before.revision && change.person_id !== mine);
  if (!fresh.length) return;
  untold.push(...fresh);
  const hasImages = untold.some((change) => change.code === "images-arrived");
  const putAway = () => { untold.length = 0; };
  const load = () => { unbanner("outside"); putAway(); viewing.restart(); };
  const lines = new Set(untold.map((change) => changeWords(change, store)));
  banner("outside", { kind: "warn", isLasting: hasImages, text: tn("script.outside_changes", untold.length), onclose: putAway,
    more: [h("ul.small", {}, [...lines].map((line) => h("li", {}, line)))],
    actions: hasImages ? [h("button.button.small", { type: "button", onclick: load }, t("script.load_images"))] : [] });
}

/* ---------- the outside ---------- */

let looking = null;

listen((changed) => {
  if (!(store.review.study_instance_uid in changed) || store.pending.size) return;
  clearTimeout(looking);
  looking = setTimeout(() => store.refresh({ isBackground: true }).catch(async (fault) => {
    if (fault.status === 404) await store.lookWhetherGone();
    store.tell();
  }), 300);
}, (state) => {
  const isBack = state === "open" && liveState !== "open" && liveState !== "waiting";
  liveState = state;
  drawSigns(store, liveState);
  if (isBack) store.refresh({ isBackground: true }).catch(() => {});
});
window.addEventListener("pageshow", (event) => { if (event.persisted) store.refresh().catch(() => {}); });

/* ---------- other studies of the list ---------- */

function turn(by) {
  const order = JSON.parse(sessionStorage.getItem("coread.list") ?? "[]");
  const next = order[order.indexOf(store.review.study_instance_uid) + by];
  if (next && order.includes(store.review.study_instance_uid)) window.location.assign(`/studies/${encodeURIComponent(next)}`);
  else announce(t("script.no_more_studies"));
}

document.getElementById("previous-study").addEventListener("click", () => turn(-1));
document.getElementById("next-study").addEventListener("click", () => turn(1));
document.getElementById("show-keys").addEventListener("click", showKeys);

/* ---------- keys ---------- */

const onSelected = (run) => () => { if (store.selected) run(store.selected); else step(0); };

bindKeys("findings", [
  { keys: ["j"], name: "next_finding", run: () => step(1) },
  { keys: ["k"], name: "previous_finding", run: () => step(-1) },
  { keys: ["a"], name: "accept", run: onSelected((uid) => room.act.accept(uid)) },
  { keys: ["e"], name: "edit", run: onSelected((uid) => room.act.edit(uid)) },
  { keys: ["r"], name: "reject", run: onSelected((uid) => room.act.reject(uid)) },
  { keys: ["u"], name: "undo", run: onSelected((uid) => room.act.undo(uid)) },
  { keys: ["o"], name: "own_finding", run: () => room.act.add() },
  { keys: ["n"], name: "ask_reader", run: () => ask(room, "") },
]);
bindKeys("report", [
  { keys: ["d"], name: "draft", run: () => { tabs.show("report"); if (store.isSigned) report.openAddendum(); else report.open(); } },
  { keys: ["Ctrl+Enter"], name: "save", whileTyping: true, run: () => report.save().catch((fault) => bannerFault("save", fault)) },
  { keys: ["Alt+p"], name: "phrases", whileTyping: true, run: () => openPhrases(report) },
  { keys: ["s"], name: "sign", run: () => { tabs.show("report"); report.sign(); } },
]);
bindKeys("study", [
  { keys: ["["], name: "previous_study", run: () => turn(-1) },
  { keys: ["]"], name: "next_study", run: () => turn(1) },
  { keys: ["Escape"], name: "close", run: () => { if (isSheetOpen()) { closeSheet(); viewing.showSketch(null); } else room.act.cancel(); } },
  { keys: ["?"], name: "help", run: showKeys },
]);
bindKeys("viewer", [
  { keys: ["Up", "Down"], name: "scroll" }, { keys: [" "], name: "cine" }, { keys: ["w"], name: "window" },
  { keys: ["1", "9"], name: "presets" }, { keys: ["z"], name: "zoom" }, { keys: ["p"], name: "pan" }, { keys: ["i"], name: "invert" },
  { keys: ["h", "v"], name: "flip" }, { keys: ["t"], name: "rotate" }, { keys: ["l"], name: "length" }, { keys: ["g"], name: "angle" },
  { keys: ["c"], name: "ellipse" }, { keys: ["b"], name: "probe" }, { keys: ["m"], name: "magnifier" }, { keys: ["0"], name: "reset" },
  { keys: ["q"], name: "overlays" }, { keys: ["f"], name: "fade" }, { keys: ["x"], name: "compare" }, { keys: ["y"], name: "mpr" },
]);

// Keys that the page has no use for are the viewer's, wherever the focus is, unless something is being typed.
const FOR_VIEWER = /^(?:[wzpihvtlgcbm0qfxy1-9]| )$/;
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || isTyping(event.target) || isDialogOpen()) return;
  const isOnControl = event.target instanceof HTMLElement && event.target.closest("button, summary, a, input");
  if (event.key === " " && isOnControl) return;
  const isFree = event.target === document.body || event.target.closest?.(".viewer-pane");
  if (FOR_VIEWER.test(event.key) && !event.ctrlKey && !event.altKey || isFree && /^(?:Arrow|Page|Home|End)/.test(event.key)) viewing.passKey(event);
});

/* ---------- begin ---------- */

store.subscribe(draw);
document.addEventListener("focusin", (event) => { if (event.target.classList?.contains("section-text")) report.lastField = event.target; });
draw();
const firstOpen = store.findings.find((panel) => !panel.decision || panel.is_outdated) ?? store.findings[0];
if (firstOpen) attend(firstOpen.finding_uid);
if (window.location.hash === "#questions") tabs.show("case");
viewing.start().then(() => { if (store.selected && store.finding(store.selected)?.finding.presence !== "absent") viewing.show(store.selected); });
