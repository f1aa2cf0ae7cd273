// The sheet in which the doctor says a finding: anew, or in place of a reader's. The images stay in sight.
import { fill, h } from "../dom.js";
import { either, t, w } from "../words.js";
import { bannerFault } from "./banners.js";
import { measure } from "./looks.js";
import { traitsField } from "./traits.js";

const sheet = document.getElementById("sheet");

/** Close the sheet. */
export function closeSheet() {
  sheet.hidden = true;
  fill(sheet);
}

/** Tell whether the sheet is open. */
export function isSheetOpen() {
  return !sheet.hidden;
}

/**
 * Open the sheet.
 * @param {{title: string, statement?: object, panel?: object, room: object, save: (statement: object) => Promise<void>, draws?: boolean}} parts
 */
export function openSheet({ title, statement, panel = null, room, save }) {
  const draft = {
    code: statement?.code ?? null, presence: statement?.presence ?? "present", site: statement?.site ?? null,
    image: statement?.image?.sop_instance_uid ?? room.viewing.current().sopInstanceUid ?? "",
    frame: statement?.frame ?? room.viewing.current().frame ?? 1,
    boxes: statement?.boxes ?? [], outline: statement?.outline ?? [], measurements: statement?.measurements ?? [],
  };
  const vocabulary = room.store.surroundings.vocabulary;
  const label = combo("statement-label", vocabulary.findings, draft.code);
  const site = combo("statement-site", vocabulary.sites, draft.site);
  const comment = h("textarea", { id: "statement-comment", rows: 3, maxlength: 4000, value: statement?.comment ?? "" });
  const looks = traitsField(panel, statement?.traits ?? [], room);
  const place = h("p.small", { role: "status" });
  const measures = h("div.stack");
  const problem = h("p.fault-text", { role: "alert", hidden: true });
  const submit = h("button.button.primary", {}, t("script.save"), h("kbd", {}, "Ctrl ↵"));
  const form = h("form.form", { onsubmit: send, novalidate: true },
    h("div.row", {}, h("h2", {}, title), h("button.close.push", { type: "button", "aria-label": t("script.close"), onclick: closeSheet }, "×")),
    h("div.field", {}, h("label", { for: "statement-label" }, t("script.statement_label")), label.element),
    h("fieldset.field", {}, h("legend", {}, t("script.statement_presence")), presenceChoices(draft)),
    h("div.field", {}, h("label", { for: "statement-site" }, t("script.statement_site")), site.element),
    looks.element,
    h("div.field", {}, h("span.strong", {}, t("script.statement_place")), place,
      h("div.button-row", {},
        h("button.button.small", { type: "button", onclick: () => draw("box") }, t("script.draw_box")),
        h("button.button.small", { type: "button", onclick: () => draw("outline") }, t("script.draw_outline")),
        h("button.button.small", { type: "button", onclick: useImage }, t("script.use_image")))),
    h("div.field", {}, h("span.strong", {}, t("script.statement_measures")), measures,
      h("div.button-row", {}, h("button.button.small", { type: "button", onclick: takeMeasures }, t("script.take_measures")))),
    h("div.field", {}, h("label", { for: "statement-comment" }, t("script.statement_comment")), comment),
    problem,
    h("div.button-row.sheet-foot", {}, submit, h("button.button", { type: "button", onclick: closeSheet }, t("script.cancel"), h("kbd", {}, "Esc"))));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeSheet();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  fill(sheet, form);
  sheet.hidden = false;
  tellPlace();
  tellMeasures();
  label.element.focus();

  async function draw(kind) {
    const drawn = kind === "box" ? await room.viewing.drawBox() : await room.viewing.drawOutline();
    if (!drawn) return;
    Object.assign(draft, { image: drawn.sopInstanceUid, frame: drawn.frame, boxes: drawn.box ? [drawn.box] : [], outline: drawn.outline ?? [] });
    tellPlace();
    submit.focus();
  }

  function useImage() {
    const { sopInstanceUid, frame } = room.viewing.current();
    Object.assign(draft, { image: sopInstanceUid, frame, boxes: [], outline: [] });
    tellPlace();
  }

  function tellPlace() {
    const image = room.viewing.imageName(draft.image) || t("script.no_image");
    const kind = draft.boxes.length ? t("script.place_box") : draft.outline.length ? t("script.place_outline") : t("script.place_image");
    fill(place, `${kind} · ${image}`);
    room.viewing.showSketch(draft);
  }

  function takeMeasures() {
    draft.measurements = room.viewing.codedMeasurements(draft.image, vocabulary.quantities, vocabulary.units);
    tellMeasures();
  }

  function tellMeasures() {
    fill(measures, draft.measurements.length ? draft.measurements.map((item, index) => h("span.row", {},
      measure(item),
      h("button.button.small", { type: "button", onclick: () => { draft.measurements.splice(index, 1); tellMeasures(); } }, t("script.remove"))))
      : h("span.muted.small", {}, t("script.no_measures")));
  }

  async function send(event) {
    event.preventDefault();
    const code = label.code();
    if (!code) return tell(t("script.label_missing"));
    submit.disabled = true;
    try {
      await save({
        code, presence: new FormData(form).get("presence"), site: site.code(), sop_instance_uid: draft.image, frame: draft.frame,
        boxes: draft.boxes, outline: draft.outline, measurements: draft.measurements, comment: comment.value, traits: looks.traits(),
      });
      closeSheet();
      room.viewing.showSketch(null);
    } catch (fault) {
      tell(fault.message, fault.advice);
      bannerFault("statement", fault);
    } finally {
      submit.disabled = false;
    }
  }

  function tell(...lines) {
    problem.hidden = false;
    fill(problem, lines.filter(Boolean).join(" "));
  }
}

function presenceChoices(draft) {
  return h("div.choices", {}, ["present", "absent", "indeterminate"].map((value) => h("label.choice", {},
    h("input", { type: "radio", name: "presence", value, checked: value === draft.presence }), h("span", {}, w("presence", value)))));
}

/** A field that completes out of a list of codes; words that are none of them become a text code where that is allowed. */
function combo(id, codes, chosen) {
  const named = new Map();
  for (const code of chosen ? [chosen, ...codes] : codes) named.set(either(code.meaning, code.meaning_zh), code);
  const list = h("datalist", { id: `${id}-list` }, [...named.keys()].map((name) => h("option", { value: name })));
  const input = h("input", { id, list: `${id}-list`, autocomplete: "off", maxlength: 60, value: chosen ? either(chosen.meaning, chosen.meaning_zh) : "" });
  input.after(list);
  document.getElementById(`${id}-list`)?.remove();
  document.body.append(list);
  return {
    element: input,
    code() {
      const typed = input.value.trim();
      if (!typed) return null;
      return named.get(typed) ?? [...named.values()].find((code) => [code.meaning, code.meaning_zh].some((name) => name.toLowerCase() === typed.toLowerCase()))
        ?? { meaning: typed, meaning_zh: "" };
    },
  };
}
