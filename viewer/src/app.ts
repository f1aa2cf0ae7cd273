/** The viewer whole: panes, tools, overlays, keys, and what the page may ask of it. */

import { cache } from "@cornerstonejs/core";
import type { Frame } from "./dicom/frame";
import type { Early, FirstImage, Place } from "./first";
import { OverlayBook } from "./overlay/book";
import type { Sheet } from "./overlay/layer";
import type { FrameImage } from "./pixels/image";
import { Prefetch, type Progress } from "./study/prefetch";
import type { Series } from "./study/series";
import { FrameStore, reasonOf } from "./study/store";
import { type Say, speaker } from "./text/catalogue";
import { Toolbox } from "./tools/toolbox";
import type { Drawn, Language, MeasurementValue, Overlay, Viewer, ViewerConfig, ViewerEvent } from "./types";
import { Cine } from "./view/cine";
import type { Comparison } from "./view/compare";
import { runCommand } from "./view/commands";
import { sharedEngine } from "./view/engine";
import { enableGestures } from "./view/gestures";
import { actionOf } from "./view/keys";
import { runAction } from "./view/actions";
import { Menu } from "./view/menu";
import type { Mpr } from "./view/mpr";
import { Pane, type PaneHost } from "./view/pane";
import type { Shell } from "./view/shell";
import { Strip } from "./view/strip";

const DEFAULT_CACHE_MB = 768;
const HIGHLIGHT_MS = 2500;
/** Longer the first image does not wait for the list of the others. */
const LISTING_PATIENCE_MS = 120;

export class App implements Viewer, PaneHost {
  say: Say;
  readonly book = new OverlayBook();
  readonly store: FrameStore;
  readonly engine;
  readonly prefetch: Prefetch;
  readonly strip: Strip;
  readonly menu: Menu;
  readonly cine: Cine;
  readonly toolbox: Toolbox;
  readonly panes: Pane[] = [];
  active: Pane;
  series: Series[] = [];
  comparison: Comparison | undefined;
  mpr: Mpr | undefined;
  readonly cacheMb: number;
  private sheets: typeof import("./overlay/segments") | undefined;
  private readonly observer: ResizeObserver;
  private isFirstShown = false;
  private lastDrawn: string | undefined;
  private highlightTimer = 0;

  constructor(
    readonly shell: Shell,
    readonly config: ViewerConfig,
    readonly early: Early,
    private readonly started: number,
  ) {
    this.say = speaker(config.language);
    this.cacheMb = Math.max(64, config.cacheMb ?? DEFAULT_CACHE_MB);
    this.engine = sharedEngine(this.cacheMb);
    this.store = new FrameStore(early.dicomweb);
    this.prefetch = new Prefetch(this.store, this.cacheMb << 20, () => this.walkers(), (progress) => this.progress(progress));
    this.menu = new Menu(shell.root);
    this.strip = new Strip(shell.strip, early.dicomweb, (series) => void this.chooseSeries(series));
    this.cine = new Cine(() => this.showState());
    this.toolbox = new Toolbox(this);
    this.active = this.addPane();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(shell.grid);
    shell.onCommand((command, button) => runCommand(this, command, button));
    shell.root.addEventListener("keydown", (event) => this.key(event), { capture: true });
    this.setOverlays(config.overlays ?? []);
    this.showState();
  }

  /** Show the first image, then fetch the rest behind it. */
  async start(): Promise<void> {
    try {
      const first = await this.early.first;
      if (!first) return this.refuse(this.say("noImages"));
      const place = await this.openFirst(first);
      this.series = await this.early.study.series();
      if (!place) await this.openAny();
    } catch (error) {
      return this.refuse(`${this.say("studyFault")}: ${reasonOf(error)}`);
    }
    this.strip.add("", this.series, this.say);
    this.showState();
    void this.active.series?.fetchHeaders();
  }

  /** Open the first image; alone where its series takes long to list, then among its series. */
  private async openFirst(first: FirstImage): Promise<Place | undefined> {
    this.store.register(first.series);
    const image = this.store.adopt(first.series.imageId(first.index), first.header, first.part);
    const listed = first.listed ?? Promise.resolve(first);
    const isThere = await image.then(() => true, () => false);
    const soon = await Promise.race([listed, later(LISTING_PATIENCE_MS)]).catch(() => undefined);
    if (!soon && isThere) await this.active.open(first.series, first.index);
    const place = soon ?? (await listed.catch(() => undefined));
    if (!place) return undefined;
    this.prefetch.replace(first.series, place.series);
    this.store.register(place.series);
    if (soon) await this.active.open(place.series, place.index);
    else await this.active.extend(place.series, place.index);
    return place;
  }

  private async openAny(): Promise<void> {
    for (const series of this.series) {
      if ((await series.list()).length === 0) continue;
      this.store.register(series);
      return this.active.open(series, 0);
    }
    this.refuse(this.say("noImages"));
  }

  private refuse(text: string): void {
    this.shell.dropPicture();
    this.shell.note(text);
    this.shell.speak(text);
  }

  addPane(): Pane {
    const pane = new Pane(this.engine, this, this.shell.grid);
    this.panes.push(pane);
    this.shell.grid.dataset["panes"] = String(this.panes.length);
    enableGestures(pane, {
      dragMode: (on, event) => this.toolbox.dragMode(on, event),
      activate: (on) => {
        this.activate(on);
        if (!shellHasFocus(this.shell)) this.shell.root.focus({ preventScroll: true });
      },
      scroll: (on, steps) => void this.scroll(on, on.index + steps),
      panned: (on) => this.comparison?.viewChanged(on),
    });
    this.toolbox.attach(pane);
    return pane;
  }

  removePane(pane: Pane): void {
    this.toolbox.detach(pane);
    this.panes.splice(this.panes.indexOf(pane), 1);
    pane.dispose();
    this.shell.grid.dataset["panes"] = String(this.panes.length);
    if (this.active === pane) this.activate(this.panes[0]!);
  }

  activate(pane: Pane): void {
    this.active = pane;
    for (const one of this.panes) one.root.classList.toggle("crv-active", one === pane);
    this.showState();
  }

  /** Show a frame of a pane, and its like in a pane that follows. */
  async scroll(pane: Pane, index: number): Promise<void> {
    if (pane.count === 0) return;
    await Promise.all([pane.show(index), this.comparison?.follow(pane)]);
  }

  async chooseSeries(series: Series): Promise<void> {
    this.cine.stop();
    this.leaveMpr();
    const pane = this.comparison?.paneOf(series) ?? this.active;
    await series.list();
    this.store.register(series);
    await pane.open(series, Math.floor(series.slots.length > 1 && series.slots[0]!.numberOfFrames === 1 ? series.slots.length / 2 : 0));
    this.activate(pane);
    this.comparison?.relink();
    void series.fetchHeaders();
  }

  stepSeries(step: number): void {
    const now = this.series.indexOf(this.active.series!);
    const next = this.series[now + step];
    if (now >= 0 && next) void this.chooseSeries(next);
  }

  // --- What panes ask ---

  get overlayOpacity(): number {
    return this.book.opacity;
  }

  get highlighted(): string | undefined {
    return this.book.highlighted;
  }

  overlaysOn(sopInstanceUid: string, frame: number): Overlay[] {
    return this.book.on(sopInstanceUid, frame);
  }

  sheetsOn(pane: Pane, frame: Frame): Sheet[] {
    const segments = this.overlaysOn(frame.sopInstanceUid, frame.frame).filter((overlay) => overlay.kind === "seg");
    if (segments.length === 0) return [];
    if (!this.sheets) {
      void import("./overlay/segments").then((found) => {
        this.sheets = found;
        this.redrawAbove();
      });
      return [];
    }
    const report = (reason: string) => this.note(this.say("segFault", { reason }));
    return this.sheets.sheetsOf(pane, frame, segments, this.store.dicomweb, () => this.redrawAbove(), report);
  }

  shown(pane: Pane): void {
    const frame = pane.frame!;
    if (!this.isFirstShown) {
      this.isFirstShown = true;
      this.shell.dropPicture();
      this.emit({ type: "first-image", ms: performance.now() - this.started });
    }
    const key = `${pane.id}/${frame.sopInstanceUid}/${frame.frame}`;
    if (this.lastDrawn === key) return;
    this.lastDrawn = key;
    this.emit({ type: "image-shown", sopInstanceUid: frame.sopInstanceUid, frame: frame.frame });
    if (!this.cine.isPlaying) this.shell.speak(this.say("shown", { index: pane.index + 1, count: pane.count }));
  }

  faulty(pane: Pane, index: number, reason: string): void {
    this.shell.dropPicture();
    const slot = pane.series!.slots[index]!;
    this.emit({ type: "image-fault", sopInstanceUid: slot.sopInstanceUid, frame: slot.frame, reason });
  }

  wanted(): void {
    this.prefetch.touch();
  }

  private walkers() {
    return this.panes.filter((pane) => pane.series);
  }

  private progress(progress: Progress): void {
    this.strip.progress(progress);
    if (!progress.isWhole) return;
    this.strip.translate(this.say);
    this.emit({ type: "all-loaded", images: progress.loaded, ms: performance.now() - this.started });
  }

  // --- What tools ask ---

  imageOf(imageId: string): FrameImage | undefined {
    return cache.getImage(imageId) as FrameImage | undefined;
  }

  emit(event: ViewerEvent): void {
    this.config.onEvent?.(event);
  }

  note(text: string): void {
    this.shell.note(text);
    if (text) this.shell.speak(text);
  }

  /** Bring tool bar and strip up to date. */
  showState(): void {
    const { shell, active } = this;
    for (const tool of ["window", "zoom", "pan", "magnifier", "length", "angle", "ellipse", "probe"] as const) {
      shell.press(tool, this.toolbox.tool === tool);
    }
    shell.press("cine", this.cine.isPlaying);
    shell.replaceIcon("cine", this.cine.isPlaying ? "cineStop" : "cine");
    shell.press("compare", this.comparison !== undefined);
    shell.press("mpr", this.mpr !== undefined);
    shell.enable("compare", (this.config.priors?.length ?? 0) > 0);
    shell.enable("cine", active.count > 1);
    this.strip.select(this.panes.map((pane) => pane.series));
  }

  redrawAbove(): void {
    for (const pane of this.panes) pane.drawAbove();
    this.mpr?.redraw();
  }

  private resize(): void {
    for (const pane of this.panes) pane.resize();
    this.mpr?.resize();
  }

  private key(event: KeyboardEvent): void {
    if (isTyping(event.target)) return;
    if (event.key === "Escape" && this.menu.isOpen) this.menu.close();
    else {
      const isOnButton = event.target instanceof HTMLButtonElement;
      if (isOnButton && (event.key === " " || event.key === "Enter" || event.key === "Tab")) return;
      const action = actionOf(event);
      if (!action || !runAction(this, action, event)) return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // --- Reformat and comparison ---

  async toggleCompare(): Promise<void> {
    this.leaveMpr();
    if (this.comparison) {
      this.comparison.close();
      this.comparison = undefined;
    } else {
      const { Comparison } = await import("./view/compare");
      this.comparison = await Comparison.open(this);
    }
    this.showState();
    this.resize();
  }

  async toggleMpr(): Promise<void> {
    if (this.mpr) return this.leaveMpr();
    this.cine.stop();
    const { Mpr } = await import("./view/mpr");
    this.mpr = await Mpr.open(this);
    this.showState();
  }

  leaveMpr(): void {
    this.mpr?.close();
    this.mpr = undefined;
    this.showState();
    this.resize();
  }

  // --- What the page may ask ---

  setOverlays(overlays: Overlay[]): void {
    this.book.set(overlays);
    this.redrawAbove();
  }

  showOverlay(id: string): void {
    const overlay = this.book.get(id);
    if (!overlay) return;
    this.book.highlighted = id;
    clearTimeout(this.highlightTimer);
    this.highlightTimer = window.setTimeout(() => {
      this.book.highlighted = undefined;
      this.redrawAbove();
    }, HIGHLIGHT_MS);
    void this.goTo(overlay.sopInstanceUid, overlay.frame).then(() => this.redrawAbove());
  }

  setOverlayVisible(idOrKind: string, on: boolean): void {
    this.book.setVisible(idOrKind, on);
    this.redrawAbove();
  }

  setOverlayOpacity(value: number): void {
    this.book.opacity = Math.min(1, Math.max(0, value));
    this.redrawAbove();
  }

  async goTo(sopInstanceUid: string, frame: number): Promise<void> {
    this.cine.stop();
    this.leaveMpr();
    for (const pane of this.panes) {
      const index = pane.series?.indexOf(sopInstanceUid, frame) ?? -1;
      if (index < 0) continue;
      this.activate(pane);
      return this.scroll(pane, index);
    }
    for (const series of this.series) {
      await series.list();
      const index = series.indexOf(sopInstanceUid, frame);
      if (index < 0) continue;
      this.store.register(series);
      await this.active.open(series, index);
      this.showState();
      return;
    }
    await this.goToPrior(sopInstanceUid, frame);
  }

  /** An image of a prior is shown beside the study's. */
  private async goToPrior(sopInstanceUid: string, frame: number): Promise<void> {
    if (!this.config.priors?.length || !this.active.series) return;
    if (!this.comparison) await this.toggleCompare();
    await this.comparison?.goTo(sopInstanceUid, frame);
  }

  drawBox(): Promise<Drawn | null> {
    this.leaveMpr();
    return this.toolbox.draw("box");
  }

  drawOutline(): Promise<Drawn | null> {
    this.leaveMpr();
    return this.toolbox.draw("outline");
  }

  drawPlace(): Promise<Drawn | null> {
    this.leaveMpr();
    return this.toolbox.draw("place");
  }

  measurements(): MeasurementValue[] {
    return this.toolbox.measurements();
  }

  setLanguage(language: Language): void {
    this.say = speaker(language);
    this.shell.translate(this.say);
    this.strip.translate(this.say);
    this.menu.close();
    this.comparison?.translate();
    this.toolbox.translate();
    this.redrawAbove();
  }

  current(): { sopInstanceUid: string; frame: number } {
    const slot = this.active.series?.slots[this.active.index];
    return { sopInstanceUid: slot?.sopInstanceUid ?? "", frame: slot?.frame ?? 1 };
  }

  dispose(): void {
    this.cine.stop();
    clearTimeout(this.highlightTimer);
    this.observer.disconnect();
    this.prefetch.close();
    this.leaveMpr();
    this.toolbox.dispose();
    for (const pane of [...this.panes]) pane.dispose();
    this.store.close();
    this.shell.root.remove();
  }
}

function later(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}

function shellHasFocus(shell: Shell): boolean {
  return shell.root.contains(document.activeElement);
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
