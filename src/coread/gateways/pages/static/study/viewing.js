// Between the page and the viewer: the first image at once, overlays from findings, drawing, measures with codes.
import { either, language, t } from "../words.js";
import { MOST_NAMED, colourOfKind } from "./kinds.js";
import { mountPlain } from "./plain_viewer.js";

const place = document.getElementById("viewer");
const words = document.getElementById("viewer-words");
const OWN = "own:";
const SKETCH = "sketch";

export class Viewing {
  constructor(store) {
    this.store = store;
    this.viewer = null;
    this.sketch = null;
    this.started = performance.now();
    place.addEventListener("focusin", () => place.classList.add("has-focus"));
    place.addEventListener("focusout", () => place.classList.remove("has-focus"));
  }

  /** Start the viewer; where it cannot start, a plain one shows the same images as the server renders them. */
  async start() {
    const { surroundings } = this.store;
    const config = {
      dicomwebRoot: surroundings.dicomweb_root, studyInstanceUid: this.store.review.study_instance_uid, language,
      overlays: this.overlays(), priors: this.store.review.priors.map((prior) => ({ studyInstanceUid: prior.study_instance_uid, label: prior.facts.StudyDate ?? "" })),
      firstImage: surroundings.first_image && { seriesInstanceUid: surroundings.first_image.series_instance_uid, sopInstanceUid: surroundings.first_image.sop_instance_uid, frame: surroundings.first_image.frame },
      onEvent: (event) => this.hear(event),
    };
    const layer = document.createElement("div");
    layer.className = "viewer-layer";
    place.append(layer);
    try {
      const { mount } = await import("../viewer/coread-viewer.js");
      this.viewer = await mount(layer, config);
    } catch {
      layer.replaceChildren();
      this.viewer = await mountPlain(layer, config);
      if (surroundings.first_image) words.textContent = t("script.plain_viewer");
    }
    this.draw();
  }

  /** Begin anew with the images that are there now; the one on the screen stays. */
  async restart() {
    if (!this.viewer) return;
    const { sopInstanceUid, frame } = this.current();
    this.viewer.dispose();
    this.viewer = null;
    this.print = "";
    place.querySelector(".viewer-layer").remove();
    words.textContent = "";
    await this.start();
    if (sopInstanceUid) this.viewer.goTo(sopInstanceUid, frame).catch(() => {});
  }

  hear(event) {
    if (event.type === "first-image") {
      document.getElementById("first-image")?.remove();
      delete place.dataset.loading;
      place.dataset.firstImageMs = String(Math.round(event.ms));
    } else if (event.type === "all-loaded") {
      place.dataset.allLoadedMs = String(Math.round(event.ms));
    } else if (event.type === "image-fault") {
      const uid = event.sopInstanceUid;
      words.textContent = t("script.image_fault", { image: this.imageName(uid) || `…${uid.slice(-12)}`, reason: event.reason });
    } else if (event.type === "image-shown") {
      this.shown = event;
    }
  }

  /** Name an image by series and image number, as people do; empty where they are not known. */
  imageName(uid) {
    const name = uid && this.store.review.image_names[uid];
    return name ? t("script.image_name", { series: name[0] || "–", image: name[1] || "–" }) : "";
  }

  /* ---------- overlays ---------- */

  overlays() {
    const { review } = this.store;
    const made = review.findings.flatMap((panel) => ofFinding(panel));
    const own = review.decisions.filter((decision) => decision.statement?.image && decision.verdict !== "accepted").flatMap((decision) => ofStatement(decision));
    const asked = review.asked.filter((place) => place.state === "waiting").map(ofQuestion);
    return [...made, ...own, ...asked, ...(this.sketch ? [this.sketch].flat() : [])];
  }

  draw() {
    if (!this.viewer) return;
    const overlays = this.overlays();
    const print = JSON.stringify(overlays.map((overlay) => [overlay.id, overlay.label, overlay.colour, overlay.visible, overlay.box, overlay.outline]));
    if (print === this.print) return;
    this.print = print;
    this.viewer.setOverlays(overlays);
  }

  /** Scroll to a finding and highlight it. */
  show(uid) {
    const panel = this.store.finding(uid);
    if (!panel || !this.viewer) return;
    const overlay = this.overlays().find((one) => one.id.startsWith(`${uid}:`) && one.visible !== false);
    if (overlay) this.viewer.showOverlay(overlay.id);
    else if (panel.finding.image) this.viewer.goTo(panel.finding.image.sop_instance_uid, 1).catch(() => {});
  }

  showOwn(decision) {
    const overlay = this.overlays().find((one) => one.id.startsWith(`${OWN}${decision.finding_uid}`));
    if (overlay) this.viewer?.showOverlay(overlay.id);
    else if (decision.statement.image) this.viewer?.goTo(decision.statement.image.sop_instance_uid, decision.statement.frame).catch(() => {});
  }

  showHeatMap(uid) {
    this.viewer?.setOverlayVisible(`${uid}:heat-map`, true);
    this.viewer?.showOverlay(`${uid}:heat-map`);
  }

  /** Show what is being drawn in the sheet; null takes it away. */
  showSketch(draft) {
    const has = draft && (draft.boxes.length || draft.outline.length);
    const shared = has && { label: t("script.sketch"), sopInstanceUid: draft.image, frame: draft.frame, colour: "#ffd54a" };
    this.sketch = has ? [...draft.boxes.map((box, at) => ({ ...shared, id: `${SKETCH}:${at}`, kind: "box", box })),
      ...(draft.outline.length ? [{ ...shared, id: `${SKETCH}:outline`, kind: "outline", outline: draft.outline }] : [])] : null;
    this.draw();
  }

  drawBox() { return this.drawing(() => this.viewer.drawBox()); }

  drawOutline() { return this.drawing(() => this.viewer.drawOutline()); }

  /** Let a place be shown to a reader: a click is a point, a drag a box, as far as the reader takes them. */
  async drawPlace(reader) {
    if (!reader.points) return this.drawBox();
    const drawn = await this.drawing(() => this.viewer.drawPlace(), "script.place_hint");
    if (!drawn?.box || reader.boxes) return drawn;
    const { left_px: left, top_px: top, width_px: width, height_px: height } = drawn.box;
    return { ...drawn, box: undefined, point: [left + width / 2, top + height / 2] };
  }

  async drawing(run, hint = "script.draw_hint") {
    if (!this.viewer) return null;
    words.textContent = t(hint);
    place.classList.add("is-drawing");
    this.keyTarget()?.focus({ preventScroll: true }); // arrow keys and Enter draw too
    try {
      return await run();
    } finally {
      words.textContent = "";
      place.classList.remove("is-drawing");
    }
  }

  current() {
    return this.viewer?.current() ?? { sopInstanceUid: "", frame: 1 };
  }

  /** Give the measures on an image with their codes. */
  codedMeasurements(image, quantities, units) {
    const unitOf = (name) => units.find((unit) => unit.value === name) ?? { value: name, scheme: "UCUM", meaning: name, meaning_zh: "" };
    return (this.viewer?.measurements() ?? []).filter((one) => one.sopInstanceUid === image && quantities[one.kind] && one.unit)
      .map((one) => ({ quantity: quantities[one.kind], value: one.value, unit: unitOf(one.unit) }));
  }

  /** Give the element of the viewer that hears keys. */
  keyTarget() {
    return place.querySelector(".viewer-layer [tabindex], .viewer-layer canvas") ?? place.querySelector(".viewer-layer");
  }

  /** Hand a key on that the page has no use for. */
  passKey(event) {
    const target = this.keyTarget();
    if (!target || target.contains(event.target)) return;
    const { key, code, ctrlKey, shiftKey, altKey } = event;
    const copy = new KeyboardEvent("keydown", { key, code, ctrlKey, shiftKey, altKey, bubbles: false, cancelable: true });
    if (!target.dispatchEvent(copy)) event.preventDefault();
  }
}

function ofFinding(panel) {
  const { finding, finding_uid: uid, decision } = panel;
  if (decision?.verdict === "rejected" || !finding.image) return [];
  const shared = { label: `AI · ${either(finding.code.meaning, finding.code.meaning_zh)}`, sopInstanceUid: finding.image.sop_instance_uid };
  const colour = decision ? "#7fdb94" : "#c9b8ff";
  const frame = finding.heat_map?.frame ?? finding.frame;
  const hasOwnPlace = decision?.verdict === "edited" && !isSamePlace(decision.statement, panel.statement);
  const lines = hasOwnPlace || finding.presence === "absent" ? [] : outlinesOf(finding, uid, shared, colour);
  const boxes = hasOwnPlace || lines.length ? [] : finding.boxes.map((box, at) => ({ ...shared, ...labelOf(box, finding.boxes), id: `${uid}:box-${at}`, kind: "box", frame, box, colour: colourOfKind(box, finding.boxes) ?? colour }));
  const map = finding.heat_map ? [{ ...shared, id: `${uid}:heat-map`, kind: "heat-map", frame, visible: false, heatMap: finding.heat_map }] : [];
  return [...lines, ...boxes, ...map];
}

/** Draw what it covers on each slice, the finding's own image first: that is where "show" leads. */
function outlinesOf(finding, uid, shared, colour) {
  const lines = finding.outlines.flatMap((one, at) => one.polygons.map((outline, part) => (
    { ...shared, sopInstanceUid: one.image.sop_instance_uid, id: `${uid}:outline-${at}-${part}`, kind: "outline", frame: one.frame, outline, colour })));
  const isOwn = (line) => Number(line.sopInstanceUid === shared.sopInstanceUid);
  return lines.sort((a, b) => isOwn(b) - isOwn(a));
}

function labelOf(box, boxes) {
  if (boxes.length > MOST_NAMED) return { label: "" };
  return box.label ? { label: either(box.label.meaning, box.label.meaning_zh) } : {};
}

function isSamePlace(stated, own) {
  const place = ({ image, frame, boxes, outline }) => JSON.stringify([image?.sop_instance_uid, frame, boxes.length, outline]);
  return stated && own && place(stated) === place(own);
}

/** Mark where a reader was asked to look. */
function ofQuestion({ uid, prompt }) {
  const [x, y] = prompt.point ?? [0, 0];
  const box = prompt.box ?? { left_px: x - 4, top_px: y - 4, width_px: 8, height_px: 8 };
  return { id: `asked:${uid}`, kind: "box", label: t("script.asked_here"), sopInstanceUid: prompt.image.sop_instance_uid, frame: prompt.frame, box, colour: "#ffd54a" };
}

function ofStatement({ finding_uid: uid, statement }) {
  const shared = { label: either(statement.code.meaning, statement.code.meaning_zh), sopInstanceUid: statement.image.sop_instance_uid, frame: statement.frame, colour: "#74ddca" };
  return [...statement.boxes.map((box, at) => ({ ...shared, id: `${OWN}${uid}:box-${at}`, kind: "box", box })),
    ...(statement.outline.length ? [{ ...shared, id: `${OWN}${uid}:outline`, kind: "outline", outline: statement.outline }] : [])];
}
