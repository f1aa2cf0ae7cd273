// The reading list: keys, reasons, and what is new, shown without moving what is under the hand.
import "./page.js";
import { announce, h } from "./dom.js";
import { actKey, send } from "./api.js";
import { confirmed, openDialog } from "./dialogs.js";
import { bindKeys, showKeys } from "./keys.js";
import { listen } from "./live.js";
import { localise } from "./times.js";
import { t, tn, w } from "./words.js";

const ORDER = "coread.list";
const PLACE = "coread.list.place";
const body = document.getElementById("rows");
const fresh = document.getElementById("fresh");
const freshWords = document.getElementById("fresh-words");
let waiting = null;

/* ---------- rows and the selected one ---------- */

const cases = () => [...body.querySelectorAll("tr.case")];
const selected = () => body.querySelector("tr[aria-selected='true']");

function select(row, { isQuiet = false } = {}) {
  for (const other of cases()) other.setAttribute("aria-selected", String(other === row));
  if (!row) return;
  sessionStorage.setItem(PLACE, row.dataset.uid);
  if (isQuiet) return;
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("a.case-link").focus({ preventScroll: true });
}

function step(by) {
  const rows = cases();
  const at = rows.indexOf(selected());
  pinReasons(null);
  select(rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))]);
}

function open(row) {
  if (row) window.location.assign(row.querySelector("a.case-link").href);
}

/* Reasons float above the list, so that nothing moves: on pointing, and fixed by click or key. */

let pinned = null;

function showReasons(row, isOn) {
  const button = row?.querySelector("button.urgency");
  if (!button || button.getAttribute("aria-expanded") === String(isOn)) return;
  const why = document.getElementById(button.getAttribute("aria-controls"));
  button.setAttribute("aria-expanded", String(isOn));
  if (!isOn) {
    why.hidePopover();
    return;
  }
  why.showPopover();
  const { left, bottom, top } = button.getBoundingClientRect();
  const isAbove = bottom + why.offsetHeight + 8 > window.innerHeight && top > why.offsetHeight + 8;
  why.style.left = `${left}px`;
  why.style.top = `${isAbove ? top - why.offsetHeight - 6 : bottom + 6}px`;
}

function pinReasons(row) {
  const isSame = pinned && pinned === row?.dataset.uid;
  for (const other of cases()) showReasons(other, false);
  pinned = isSame ? null : row?.dataset.uid ?? null;
  if (pinned) showReasons(row, true);
}

let pointing = null;
body.addEventListener("pointerover", (event) => {
  const button = event.pointerType === "mouse" && event.target.closest("button.urgency");
  clearTimeout(pointing);
  if (button && !pinned) pointing = setTimeout(() => showReasons(button.closest("tr"), true), 120);
});
body.addEventListener("pointerout", (event) => {
  clearTimeout(pointing);
  const row = event.target.closest("tr.case");
  if (row && !pinned) showReasons(row, false);
});
window.addEventListener("scroll", () => { if (!pinned) for (const row of cases()) showReasons(row, false); else pinReasons(null); }, { passive: true });

body.addEventListener("click", (event) => {
  const row = event.target.closest("tr.case");
  if (!row) return;
  select(row, { isQuiet: true });
  if (event.target.closest("button.urgency")) pinReasons(row);
  else if (!event.target.closest("a, button, .why") && !String(getSelection())) open(row);
});
body.addEventListener("focusin", (event) => select(event.target.closest("tr.case"), { isQuiet: true }));

/** Keep the order for "next study" on the study page. */
function keepOrder() {
  const uids = cases().map((row) => row.dataset.uid);
  sessionStorage.setItem(ORDER, JSON.stringify(uids));
}

/* ---------- what is new ---------- */

let refreshing = null;

function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(refresh, 400);
}

async function refresh() {
  let text;
  try {
    const response = await fetch(body.dataset.address, { redirect: "error", cache: "no-store" });
    if (!response.ok) return;
    text = await response.text();
  } catch {
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  document.getElementById("counts").replaceChildren(...page.getElementById("fresh-counts").childNodes);
  compare(page.getElementById("fresh-rows"));
}

/** Renew rows in their places; what would move rows waits until it is asked for. */
function compare(incoming) {
  const here = new Map(cases().map((row) => [row.dataset.uid, row]));
  const there = [...incoming.querySelectorAll("tr.case")];
  for (const row of there) {
    const old = here.get(row.dataset.uid);
    if (old) renew(old, row);
  }
  const added = there.filter((row) => !here.has(row.dataset.uid));
  const isSame = there.map((row) => row.dataset.uid).join() === [...here.keys()].join();
  waiting = isSame ? null : incoming;
  fresh.hidden = isSame;
  if (isSame) return;
  const urgent = added.filter((row) => row.dataset.band === "now").length;
  fresh.classList.toggle("bad", urgent > 0);
  const words = urgent ? tn("script.fresh_urgent", urgent) : added.length ? tn("script.fresh_new", added.length) : t("script.fresh_order");
  if (freshWords.textContent !== words) freshWords.textContent = words;
}

function renew(old, row) {
  if (old.dataset.revision === row.dataset.revision && old.className === row.className && waitsAlike(old, row)) return;
  const isPinned = pinned === old.dataset.uid;
  const hasFocus = old.contains(document.activeElement);
  old.className = row.className;
  Object.assign(old.dataset, { revision: row.dataset.revision, band: row.dataset.band });
  old.replaceChildren(...row.cloneNode(true).childNodes);
  if (isPinned) showReasons(old, true);
  if (hasFocus) old.querySelector("a.case-link").focus({ preventScroll: true });
  localise(old);
}

function waitsAlike(old, row) {
  return old.querySelector(".state-cell").textContent === row.querySelector(".state-cell").textContent
    && old.querySelector(".number-cell span").textContent === row.querySelector(".number-cell span").textContent;
}

function showFresh() {
  if (!waiting) return;
  const uid = selected()?.dataset.uid;
  body.replaceChildren(...waiting.childNodes);
  waiting = null;
  fresh.hidden = true;
  localise(body);
  keepOrder();
  const row = uid && body.querySelector(`tr[data-uid="${CSS.escape(uid)}"]`);
  select(row || cases()[0], { isQuiet: !row });
  window.scrollTo({ top: 0 });
  announce(t("script.list_renewed"));
}

document.getElementById("fresh-show").addEventListener("click", showFresh);

const live = document.getElementById("live");
listen(refreshSoon, (state) => {
  live.dataset.state = state;
  document.getElementById("live-words").textContent = w("live", state);
  if (state === "open") refreshSoon();
});
setInterval(() => { if (!document.hidden && live.dataset.state === "open") refresh(); }, 60000);

/* ---------- views and filters ---------- */

const filters = document.getElementById("filters");
for (const field of filters.querySelectorAll("select, input[type=checkbox]")) {
  field.addEventListener("change", () => filters.requestSubmit());
}
filters.addEventListener("submit", () => {
  for (const field of filters.elements) if (field.name && !field.value) field.disabled = true;
});

document.getElementById("save-view")?.addEventListener("click", (event) => {
  const query = event.currentTarget.dataset.filter;
  const name = h("input", { maxlength: 60, required: true, id: "view-name", autocomplete: "off" });
  const form = h("form.field", { onsubmit: save }, h("label", { for: "view-name" }, t("script.view_name")), name);
  const dialog = openDialog({
    title: t("script.save_view"), body: [form],
    actions: [h("button.button.primary", { type: "button", onclick: () => form.requestSubmit() }, t("script.save"))],
  });
  name.focus();
  async function save(submit) {
    submit.preventDefault();
    const { address } = await send("POST", "/api/v1/views", { name: name.value, query, key: actKey() });
    dialog.close();
    window.location.assign(address);
  }
});

document.getElementById("delete-view")?.addEventListener("click", async (event) => {
  const name = event.currentTarget.dataset.name;
  const isSure = await confirmed({ title: t("script.delete_view"), text: t("script.delete_view_sure", { name }), action: t("script.delete"), isDangerous: true });
  if (!isSure) return;
  const { address } = await send("DELETE", "/api/v1/views", { name });
  window.location.assign(address);
});

/* ---------- keys ---------- */

bindKeys("list", [
  { keys: ["j", "Down"], name: "next_study", run: () => step(1) },
  { keys: ["k", "Up"], name: "previous_study", run: () => step(-1) },
  { keys: ["Enter"], name: "open_study", run: () => open(selected()) },
  { keys: ["e"], name: "reasons", run: () => pinReasons(selected()) },
  { keys: ["Escape"], name: "close", run: () => pinReasons(null) },
  { keys: ["/"], name: "search", run: () => document.getElementById("search").select() },
  { keys: ["."], name: "show_fresh", run: showFresh },
  { keys: ["?"], name: "help", run: showKeys },
]);
document.getElementById("show-keys").addEventListener("click", showKeys);
document.getElementById("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { event.currentTarget.blur(); select(selected() ?? cases()[0]); }
});

keepOrder();
const before = sessionStorage.getItem(PLACE);
select((before && body.querySelector(`tr[data-uid="${CSS.escape(before)}"]`)) || cases()[0], { isQuiet: true });
// Back from a study: nothing is under the hand yet, so that the list may be renewed whole.
window.addEventListener("pageshow", (event) => { if (event.persisted) refresh().then(showFresh); });
