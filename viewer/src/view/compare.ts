/** A prior beside the study: found, shown, and walked together with it where geometry allows. */

import type { App } from "../app";
import type { Series } from "../study/series";
import { Study } from "../study/study";
import { element } from "./dom";
import { type Link, linkSeries } from "./link";
import type { Pane } from "./pane";

export class Comparison {
  private readonly chooser = element("select");
  private readonly toggle = element("button", "", { type: "button", "aria-pressed": "true" });
  private readonly own = new Map<Series, number>();
  private links: { there: Link | undefined; back: Link | undefined } = { there: undefined, back: undefined };
  private isLinked = true;

  private constructor(
    private readonly app: App,
    private readonly main: Pane,
    readonly pane: Pane,
  ) {
    const bar = element("div", "crv-chooser", {}, this.chooser, this.toggle);
    pane.root.append(bar);
    this.chooser.addEventListener("change", () => void this.show(Number(this.chooser.value)));
    this.toggle.addEventListener("click", () => this.setLinked(!this.isLinked));
    this.translate();
  }

  static async open(app: App): Promise<Comparison | undefined> {
    const priors = app.config.priors ?? [];
    if (priors.length === 0 || !app.active.series) {
      app.note(app.say("noPriors"));
      setTimeout(() => app.note(""), 2500);
      return undefined;
    }
    const comparison = new Comparison(app, app.active, app.addPane());
    comparison.chooser.append(...priors.map(({ label }, i) => element("option", "", { value: String(i) }, label)));
    await comparison.show(0);
    return comparison;
  }

  close(): void {
    this.app.removePane(this.pane);
    this.app.activate(this.main);
  }

  translate(): void {
    const { say } = this.app;
    this.chooser.setAttribute("aria-label", say("choosePrior"));
    this.toggle.textContent = say(this.isLinked ? "linked" : "notLinked");
    this.toggle.setAttribute("aria-pressed", String(this.isLinked));
  }

  /** The pane that a series of the strip belongs to. */
  paneOf(series: Series): Pane {
    return this.own.has(series) ? this.pane : this.main;
  }

  /** Bring the other pane to the place that this one shows. */
  async follow(pane: Pane): Promise<void> {
    if (!this.isLinked) return;
    const link = pane === this.main ? this.links.there : this.links.back;
    const other = pane === this.main ? this.pane : this.main;
    if (link) await other.show(link.follow(pane.index));
  }

  /** Zoom and place go together while scrolling does. */
  viewChanged(pane: Pane): void {
    if (!this.isLinked || (pane !== this.main && pane !== this.pane)) return;
    const other = pane === this.main ? this.pane : this.main;
    const { flipHorizontal, flipVertical, rotation } = pane.viewport.getViewState();
    other.viewport.setViewState({ flipHorizontal, flipVertical, rotation });
    other.viewport.setZoom(pane.viewport.getZoom());
    other.viewport.setPan(pane.viewport.getPan());
    other.redraw();
  }

  /** Compare places anew, from what both panes show now. */
  relink(): void {
    this.links = { there: undefined, back: undefined };
    const [one, other] = [this.main.series, this.pane.series];
    if (!one || !other) return;
    const [here, there] = [this.main.index, this.pane.index];
    void Promise.all([linkSeries(one, other, here, there), linkSeries(other, one, there, here)]).then(
      ([forth, back]) => {
        if (this.main.series !== one || this.pane.series !== other) return;
        this.links = { there: forth, back };
        this.toggle.disabled = forth === undefined;
        void this.follow(this.main);
      },
      () => (this.toggle.disabled = true),
    );
  }

  private setLinked(on: boolean): void {
    this.isLinked = on;
    this.translate();
    if (on) this.relink();
  }

  private async show(index: number): Promise<void> {
    const { app } = this;
    const prior = app.config.priors![index]!;
    const study = new Study(prior.studyInstanceUid, app.store.dicomweb);
    const all = await study.series();
    for (const series of all) this.own.set(series, index);
    app.strip.add(`${app.say("prior")} ${prior.label}`, all, app.say);
    const series = mostLike(this.main.series!, all);
    if (!series) return;
    await series.list();
    app.store.register(series);
    await this.pane.open(series, middleOf(series));
    app.showState();
    this.relink();
  }
}

/** The series to compare with: of the same modality, of the same name, else of about as many images. */
export function mostLike(series: Series, among: readonly Series[]): Series | undefined {
  const likeness = (one: Series) =>
    (one.modality === series.modality ? 4 : 0) +
    (one.description !== "" && one.description === series.description ? 2 : 0) +
    Math.min(one.instanceCount, series.instanceCount) / Math.max(one.instanceCount, series.instanceCount, 1);
  return [...among].sort((a, b) => likeness(b) - likeness(a))[0];
}

function middleOf(series: Series): number {
  return series.slots[0]?.numberOfFrames === 1 ? Math.floor(series.slots.length / 2) : 0;
}
