// One section of a report: a plain text field, and beside each line a mark of where it comes from.
import { fill, h } from "../dom.js";
import { t, w } from "../words.js";

export class SectionEditor {
  /**
   * @param {{name: string, title: string, text: string}} section
   * @param {(line: string) => string} originOf "template", "finding" or "typed"
   * @param {() => void} onInput
   */
  constructor(section, originOf, onInput) {
    this.name = section.name;
    this.originOf = originOf;
    const id = `section-${section.name}`;
    this.gutter = h("div.gutter", { "aria-hidden": "true" });
    this.mirror = h("div.mirror", { "aria-hidden": "true" });
    this.said = h("p.unseen", { id: `${id}-origins` });
    this.field = h("textarea.section-text", { id, rows: 1, maxlength: 20000, spellcheck: "false", autocomplete: "off", "aria-describedby": this.said.id, value: section.text });
    this.field.addEventListener("input", () => { this.lay(); onInput(); });
    this.element = h("div.section-editor", { data: { section: section.name } },
      h("label", { for: id }, section.title), h("div.section-frame", {}, this.gutter, this.field, this.mirror), this.said);
    new ResizeObserver(() => this.lay()).observe(this.field);
  }

  get text() { return this.field.value; }

  set text(value) {
    if (this.field.value === value) return;
    this.field.value = value;
    this.lay();
  }

  /** Put the marks beside their lines; a line that wraps has one mark. */
  lay() {
    const width = this.field.clientWidth;
    if (!width || (this.laid === this.field.value && this.width === width && this.known === this.originOf)) return;
    Object.assign(this, { laid: this.field.value, width, known: this.originOf });
    const lines = this.field.value.split("\n");
    this.mirror.style.width = `${width}px`;
    fill(this.mirror, lines.map((line) => h("div", {}, line || "\u200b")));
    const heights = [...this.mirror.children].map((line) => line.offsetHeight);
    this.field.style.height = `${this.mirror.offsetHeight + 2}px`;
    const origins = lines.map((line) => (line.trim() ? this.originOf(line.trim()) : ""));
    fill(this.gutter, origins.map((origin, place) => this.mark(origin, heights[place])));
    this.said.textContent = origins.map((origin, place) => (origin ? t("script.line_origin", { line: place + 1, origin: w("origin", origin) }) : "")).filter(Boolean).join(" ");
  }

  mark(origin, height) {
    const mark = h(origin ? `span.mark.mark-${origin}` : "span.mark", { title: origin ? w("origin", origin) : "" }, origin ? w("origin_mark", origin) : "");
    mark.style.height = `${height}px`;
    return mark;
  }

  /** Where the cursor is: first and last place of what is marked. A dialog that closes may lose it. */
  get cursor() { return [this.field.selectionStart, this.field.selectionEnd]; }

  /** Put words in a place, as a line of their own. */
  insert(words, [from, to]) {
    const { value } = this.field;
    const before = value.slice(0, from);
    const after = value.slice(to);
    const lead = before && !before.endsWith("\n") ? "\n" : "";
    const tail = after && !after.startsWith("\n") ? "\n" : "";
    this.field.focus();
    this.field.setRangeText(lead + words + tail, from, to, "end");
    this.field.dispatchEvent(new Event("input"));
  }

  get selection() {
    return this.field.value.slice(this.field.selectionStart, this.field.selectionEnd).trim();
  }
}
