// Findings, report and case as tabs; on a wide screen the findings stay beside the others.

const NAMES = ["findings", "report", "case"];
const wide = window.matchMedia("(min-width: 1680px)");

export class Tabs {
  constructor(onShow) {
    this.onShow = onShow;
    this.chosen = "findings";
    this.beside = "report";
    for (const name of NAMES) {
      this.tab(name).addEventListener("click", () => this.show(name));
      this.tab(name).addEventListener("keydown", (event) => this.turn(event, name));
    }
    wide.addEventListener("change", () => this.lay());
    this.lay();
  }

  tab(name) { return document.getElementById(`tab-${name}`); }

  show(name) {
    this.chosen = name;
    if (name !== "findings") this.beside = name;
    this.lay();
    this.onShow(name);
  }

  lay() {
    const shown = wide.matches ? new Set(["findings", this.beside]) : new Set([this.chosen]);
    const marked = wide.matches ? this.beside : this.chosen;
    document.getElementById("findings-panel").classList.toggle("is-wide", wide.matches);
    for (const name of NAMES) {
      document.getElementById(name).hidden = !shown.has(name);
      this.tab(name).setAttribute("aria-selected", String(name === marked || wide.matches && name === "findings"));
      this.tab(name).tabIndex = name === marked ? 0 : -1;
    }
    if (wide.matches) this.onShow(this.beside);
  }

  turn(event, name) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = NAMES[(NAMES.indexOf(name) + by + NAMES.length) % NAMES.length];
    this.show(next);
    this.tab(next).focus();
    event.preventDefault();
  }

  count(name, number) {
    const place = document.getElementById(name === "findings" ? "count-undecided" : "count-questions");
    place.textContent = number ? String(number) : "";
  }
}
