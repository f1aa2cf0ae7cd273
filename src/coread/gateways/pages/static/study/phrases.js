// The phrase library: a doctor's own sentences, by language and section.
import { actKey, get, send } from "../api.js";
import { openDialog } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { t } from "../words.js";
import { bannerFault } from "./banners.js";

/** Open the library for the section that was edited last. */
export async function openPhrases(report) {
  const editor = report.editors.find((one) => one.field === report.lastField) ?? report.editors.find((one) => one.name === "impression") ?? report.editors[0];
  if (!editor) return;
  const cursor = editor.cursor;
  const address = `/api/v1/phrases?language=${report.language}`;
  let phrases;
  try {
    ({ phrases } = await get(address));
  } catch (fault) {
    bannerFault("phrases", fault);
    return;
  }
  const list = h("ul.phrase-list");
  const search = h("input", { type: "search", id: "phrase-search", autocomplete: "off", oninput: draw });
  const fresh = h("textarea", { id: "phrase-new", rows: 2, maxlength: 2000, value: editor.selection });
  const dialog = openDialog({
    title: t("script.phrases"),
    body: [h("div.field", {}, h("label", { for: "phrase-search" }, t("script.phrase_search")), search), list,
      h("div.field", {}, h("label", { for: "phrase-new" }, t("script.phrase_new")), fresh,
        h("div.button-row", {}, h("button.button", { type: "button", onclick: add }, t("script.phrase_add"))))],
    actions: [],
  });
  draw();
  search.focus();
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    list.querySelector("button.phrase")?.click();
  });

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const fitting = phrases.filter((phrase) => (!phrase.section || phrase.section === editor.name) && phrase.text.toLowerCase().includes(wanted));
    fill(list, fitting.length ? fitting.map(line) : h("li.muted", {}, t("script.no_phrases")));
  }

  function line(phrase) {
    return h("li.row", {}, h("button.button.phrase", { type: "button", onclick: () => { dialog.close(); editor.insert(phrase.text, cursor); } }, phrase.text),
      h("button.button.small.push", { type: "button", "aria-label": t("script.phrase_remove"), onclick: () => remove(phrase) }, "×"));
  }

  async function add() {
    if (!fresh.value.trim()) return;
    await change("POST", { language: report.language, section: "", text: fresh.value.trim(), key: actKey() });
    fresh.value = "";
  }

  function remove(phrase) {
    return change("DELETE", { id: phrase.id, language: report.language });
  }

  async function change(method, body) {
    try {
      ({ phrases } = await send(method, "/api/v1/phrases", body));
      draw();
    } catch (fault) {
      dialog.close();
      bannerFault("phrases", fault);
    }
  }
}
