// The officer's page of one exported study: a box is drawn with the pointer, or typed; frames are leafed through.
import "./page.js";
import { h } from "./dom.js";

const SIDES = ["left", "top", "width", "height"];
const SMALLEST_PX = 2;

for (const article of document.querySelectorAll(".export-image")) {
  const pictures = [...article.querySelectorAll("img[data-side]")];
  article.querySelector("input[data-frame]")?.addEventListener("change", ({ target }) => {
    const frame = Math.min(Math.max(Math.round(Number(target.value)) || 1, 1), Number(target.max));
    target.value = String(frame);
    for (const picture of pictures) picture.src = `${picture.src.split("?")[0]}?frame=${frame}`;
  });
  const canvas = article.querySelector("[data-draw]");
  const form = article.querySelector(".box-form");
  if (canvas && form) drawOn(canvas, form, Number(article.dataset.columns), Number(article.dataset.rows));
}

/** Let a box be drawn on a picture; its four numbers are those of the form, whichever is changed. */
function drawOn(canvas, form, columns, rows) {
  const fields = SIDES.map((name) => form.elements.namedItem(name));
  const shown = h("div.export-box", { hidden: true });
  canvas.append(shown);
  let start = null;

  function show() {
    const [left, top, width, height] = fields.map((field) => Number(field.value));
    shown.hidden = fields.some((field) => field.value === "") || width <= 0 || height <= 0;
    shown.style.left = `${(left / columns) * 100}%`;
    shown.style.top = `${(top / rows) * 100}%`;
    shown.style.width = `${(width / columns) * 100}%`;
    shown.style.height = `${(height / rows) * 100}%`;
  }

  function place(event) {
    const frame = canvas.getBoundingClientRect();
    const share = (at, from, size) => Math.min(Math.max((at - from) / size, 0), 1);
    return [share(event.clientX, frame.left, frame.width) * columns, share(event.clientY, frame.top, frame.height) * rows];
  }

  function stretch(event) {
    const [x, y] = place(event);
    const [left, top] = [Math.floor(Math.min(x, start[0])), Math.floor(Math.min(y, start[1]))];
    const [right, bottom] = [Math.ceil(Math.max(x, start[0])), Math.ceil(Math.max(y, start[1]))];
    [left, top, right - left, bottom - top].forEach((value, n) => { fields[n].value = String(value); });
    show();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    start = place(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => { if (start) stretch(event); });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    stretch(event);
    start = null;
    const isTiny = Number(fields[2].value) < SMALLEST_PX || Number(fields[3].value) < SMALLEST_PX;
    if (isTiny) for (const field of fields) field.value = "";
    show();
    if (!isTiny) form.querySelector("button").focus();
  });
  canvas.addEventListener("pointercancel", () => { start = null; });
  for (const field of fields) field.addEventListener("input", show);
}
