// A viewer for machines on which the real one cannot start: pictures as the server renders them, boxes over them.
import { fill, h, svg } from "../dom.js";
import { t } from "../words.js";

/** Mount it; the same interface as the real viewer has. */
export async function mountPlain(element, config) {
  const viewer = new PlainViewer(element, config);
  await viewer.start();
  return viewer;
}

const TAG = { series: "0020000E", instance: "00080018", rows: "00280010", columns: "00280011", frames: "00280008", number: "00200013", seriesNumber: "00200011" };

class PlainViewer {
  constructor(element, config) {
    this.config = config;
    this.images = [];
    this.place = 0;
    this.overlayList = config.overlays ?? [];
    this.picture = h("img.plain-picture", { alt: "", draggable: "false" });
    this.marks = svg("svg", { class: "plain-marks", preserveAspectRatio: "xMidYMid meet" });
    this.count = h("span.figures");
    this.stage = h("div.plain-stage", { tabindex: 0, role: "application", "aria-label": t("script.plain_stage") }, this.picture, this.marks);
    const turn = (by, words, sign) => h("button.button.small", { type: "button", "aria-label": words, onclick: () => this.step(by) }, sign);
    fill(element, this.stage, h("div.plain-tools", {}, turn(-1, t("script.previous_image"), "‹"), this.count, turn(1, t("script.next_image"), "›")));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("wheel", (event) => { this.step(Math.sign(event.deltaY)); event.preventDefault(); }, { passive: false });
    this.picture.addEventListener("load", () => this.loaded());
    this.picture.addEventListener("error", () => this.failed());
  }

  async start() {
    const { dicomwebRoot, studyInstanceUid, firstImage } = this.config;
    const fields = "includefield=00280010&includefield=00280011&includefield=00280008";
    const response = await fetch(`${dicomwebRoot}/studies/${studyInstanceUid}/instances?limit=5000&${fields}`, { headers: { Accept: "application/dicom+json" } });
    const found = response.status === 200 ? await response.json() : [];
    const value = (item, tag) => item[TAG[tag]]?.Value?.[0];
    this.images = found.filter((item) => value(item, "rows")).flatMap((item) => Array.from({ length: value(item, "frames") || 1 }, (_, frame) => ({
      series: value(item, "series"), instance: value(item, "instance"), frame: frame + 1, rows: value(item, "rows"), columns: value(item, "columns"), number: value(item, "number") ?? 0,
    })));
    this.images.sort((a, b) => a.series.localeCompare(b.series) || a.number - b.number || a.frame - b.frame);
    const first = firstImage ? this.find(firstImage.sopInstanceUid, firstImage.frame) : 0;
    this.show(Math.max(0, first));
  }

  find(instance, frame) {
    return this.images.findIndex((image) => image.instance === instance && image.frame === frame);
  }

  show(place) {
    const image = this.images[place];
    if (!image) return;
    this.place = place;
    const { dicomwebRoot, studyInstanceUid } = this.config;
    this.asked = performance.now();
    this.picture.src = `${dicomwebRoot}/studies/${studyInstanceUid}/series/${image.series}/instances/${image.instance}/frames/${image.frame}/rendered`;
    this.count.textContent = `${place + 1} / ${this.images.length}`;
    this.drawMarks();
  }

  loaded() {
    const image = this.images[this.place];
    if (!this.hasShown) this.config.onEvent?.({ type: "first-image", ms: performance.now() });
    this.hasShown = true;
    this.config.onEvent?.({ type: "image-shown", sopInstanceUid: image.instance, frame: image.frame });
  }

  failed() {
    const image = this.images[this.place];
    if (image) this.config.onEvent?.({ type: "image-fault", sopInstanceUid: image.instance, frame: image.frame, reason: t("script.not_decoded") });
  }

  step(by) {
    this.show(Math.max(0, Math.min(this.images.length - 1, this.place + by)));
  }

  key(event) {
    const steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "Escape" && this.cancel) this.cancel();
    else if (event.key === "q") this.marks.classList.toggle("is-off");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  drawMarks() {
    const image = this.images[this.place];
    if (!image) return;
    this.marks.setAttribute("viewBox", `0 0 ${image.columns} ${image.rows}`);
    const here = this.overlayList.filter((one) => one.sopInstanceUid === image.instance && one.frame === image.frame && one.visible !== false);
    fill(this.marks, here.map((one) => this.mark(one, Math.max(image.columns, image.rows) / 400)));
  }

  mark(one, unit) {
    const look = { fill: "none", stroke: one.colour ?? "#c9b8ff", "stroke-width": unit * (one.id === this.shown ? 3 : 1.6) };
    if (one.kind === "box") return svg("rect", { x: one.box.left_px, y: one.box.top_px, width: one.box.width_px, height: one.box.height_px, ...look });
    if (one.kind === "outline") return svg("polygon", { points: one.outline.map((point) => point.join(",")).join(" "), ...look });
    if (one.kind === "heat-map") return heatMap(one.heatMap);
    return svg("g");
  }

  setOverlays(overlays) { this.overlayList = overlays; this.drawMarks(); }

  showOverlay(id) {
    const one = this.overlayList.find((overlay) => overlay.id === id);
    if (!one) return;
    this.shown = id;
    const place = this.find(one.sopInstanceUid, one.frame);
    if (place >= 0 && place !== this.place) this.show(place);
    else this.drawMarks();
  }

  setOverlayVisible(idOrKind, on) {
    this.overlayList = this.overlayList.map((one) => (one.id === idOrKind || one.kind === idOrKind ? { ...one, visible: on } : one));
    this.drawMarks();
  }

  setOverlayOpacity(value) { this.marks.style.opacity = String(value); }

  async goTo(instance, frame) {
    const place = this.find(instance, frame);
    if (place >= 0) this.show(place);
  }

  drawBox() {
    return this.drawing((points) => {
      const [a, b] = [points[0], points.at(-1)];
      const [left, top] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
      const [width, height] = [Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])];
      return width > 1 && height > 1 ? { box: { left_px: left, top_px: top, width_px: width, height_px: height } } : null;
    });
  }

  /** A click is a point, a drag a box. */
  drawPlace() {
    return this.drawing((points) => {
      if (!points.length) return null;
      const [a, b] = [points[0], points.at(-1)];
      const box = { left_px: Math.min(a[0], b[0]), top_px: Math.min(a[1], b[1]), width_px: Math.abs(a[0] - b[0]), height_px: Math.abs(a[1] - b[1]) };
      return box.width_px > 1 && box.height_px > 1 ? { box } : { point: a };
    });
  }

  drawOutline() {
    return this.drawing((points) => (points.length > 3 ? { outline: points.filter((_, at) => at % Math.ceil(points.length / 200) === 0) } : null));
  }

  /** Let a shape be drawn by dragging; resolves to null on Escape. */
  drawing(shape) {
    const image = this.images[this.place];
    return new Promise((resolve) => {
      const points = [];
      const stage = this.stage;
      const end = (result) => {
        for (const [kind, run] of Object.entries(hears)) this.marks.removeEventListener(kind, run);
        this.marks.classList.remove("is-drawing");
        this.cancel = null;
        this.drawMarks();
        resolve(result);
      };
      const at = (event) => {
        const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.marks.getScreenCTM().inverse());
        return [Math.max(0, Math.min(image.columns, point.x)), Math.max(0, Math.min(image.rows, point.y))];
      };
      const hears = {
        pointerdown: (event) => { this.marks.setPointerCapture(event.pointerId); points.push(at(event)); },
        pointermove: (event) => { if (points.length) { points.push(at(event)); this.sketch(shape(points)); } },
        pointerup: () => { const made = shape(points); end(made && { sopInstanceUid: image.instance, frame: image.frame, ...made }); },
      };
      for (const [kind, run] of Object.entries(hears)) this.marks.addEventListener(kind, run);
      this.marks.classList.add("is-drawing");
      this.cancel = () => end(null);
      stage.focus();
    });
  }

  sketch(made) {
    this.drawMarks();
    if (!made) return;
    const image = this.images[this.place];
    if (made.point) return;
    const kind = made.box ? "box" : "outline";
    this.marks.append(this.mark({ id: "sketch", kind, colour: "#ffd54a", ...made }, Math.max(image.columns, image.rows) / 400));
  }

  measurements() { return []; }

  setLanguage() {}

  current() {
    const image = this.images[this.place];
    return { sopInstanceUid: image?.instance ?? "", frame: image?.frame ?? 1 };
  }

  dispose() {}
}

function heatMap({ rows, columns, values, extent }) {
  const numbers = new Float32Array(Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0)).buffer);
  const cells = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const share = numbers[row * columns + column];
      if (share < 0.05) continue;
      cells.push(svg("rect", { x: extent.left_px + column * extent.width_px / columns, y: extent.top_px + row * extent.height_px / rows,
        width: extent.width_px / columns, height: extent.height_px / rows, fill: `hsl(${Math.round(50 - 50 * share)} 100% 50%)`, "fill-opacity": (share * 0.5).toFixed(2) }));
    }
  }
  return svg("g", {}, cells);
}
