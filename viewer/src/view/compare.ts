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
  private readonly own = new Set<Series>();
  private readonly studies: (Study | undefined)[] = [];
  private links: { there: Link | undefined; back: Link | undefined } = { there: undefined, back: undefined };
  private isLinked = true;
  private generation = 0;

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
  relink(isFollowing = true): void {
    const generation = ++this.generation;
    this.links = { there: undefined, back: undefined };
    const [one, other] = [this.main.series, this.pane.series];
    if (!one || !other) return;
    const [here, there] = [this.main.index, this.pane.index];
    void Promise.all([linkSeries(one, other, here, there), linkSeries(other, one, there, here)]).then(
      ([forth, back]) => {
        if (generation !== this.generation) return;
        this.links = { there: forth, back };
        this.toggle.disabled = forth === undefined;
        if (isFollowing) void this.follow(this.main);
      },
      () => (this.toggle.disabled = true),
    );
  }

  /** Show an image of one of the priors; nothing happens where none has it. */
  async goTo(sopInstanceUid: string, frame: number): Promise<void> {
    const priors = this.app.config.priors!;
    for (const [at, prior] of priors.entries()) {
      for (const series of await this.seriesOf(at, prior.label)) {
        await series.list();
        const index = series.indexOf(sopInstanceUid, frame);
        if (index < 0) continue;
        this.chooser.value = String(at);
        // A link that is still being reckoned must not move the pane away again.
        this.generation += 1;
        await this.open(series, index);
        this.relink(false);
        return;
      }
    }
  }

  private setLinked(on: boolean): void {
    this.isLinked = on;
    this.translate();
    if (on) this.relink();
  }

  private async show(at: number): Promise<void> {
    const series = mostLike(this.main.series!, await this.seriesOf(at, this.app.config.priors![at]!.label));
    if (!series) return;
    await series.list();
    await this.open(series, middleOf(series));
    this.relink();
  }

  private async open(series: Series, index: number): Promise<void> {
    this.app.store.register(series);
    await this.pane.open(series, index);
    this.app.showState();
  }

  /** The series of a prior; they join the strip. */
  private async seriesOf(at: number, label: string): Promise<Series[]> {
    const { app } = this;
    this.studies[at] ??= new Study(app.config.priors![at]!.studyInstanceUid, app.store.dicomweb);
    const all = await this.studies[at].series();
    for (const series of all) this.own.add(series);
    app.strip.add(`${app.say("prior")} ${label}`, all, app.say);
    return all;
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
