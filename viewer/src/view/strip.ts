/** The series strip: a picture of each series, how much of it is here, whether something is broken. */

import type { Dicomweb } from "../net/dicomweb";
import type { Progress } from "../study/prefetch";
import type { Series } from "../study/series";
import type { Say } from "../text/catalogue";
import { element } from "./dom";

interface Card {
  series: Series;
  button: HTMLButtonElement;
  text: HTMLElement;
  count: HTMLElement;
  bar: HTMLElement;
  fault: HTMLElement;
}

export class Strip {
  private readonly cards = new Map<Series, Card>();

  constructor(
    private readonly place: HTMLElement,
    private readonly dicomweb: Dicomweb,
    private readonly chosen: (series: Series) => void,
  ) {}

  /** Add the series of a study under a heading, once. */
  add(heading: string, series: readonly Series[], say: Say): void {
    const fresh = series.filter((one) => !this.cards.has(one));
    if (fresh.length === 0) return;
    if (heading) this.place.append(element("div", "crv-heading", {}, heading));
    for (const one of fresh) this.place.append(this.card(one).button);
    this.translate(say);
  }

  translate(say: Say): void {
    for (const { series, text, count } of this.cards.values()) {
      text.textContent = series.description || (series.number === undefined ? say("series") : say("seriesOf", { number: series.number }));
      const images = series.slots.length || series.instanceCount;
      count.textContent = images === 1 ? say("oneImage") : say("images", { count: images });
    }
  }

  select(shown: readonly (Series | undefined)[]): void {
    for (const { series, button } of this.cards.values()) {
      button.setAttribute("aria-pressed", String(shown.includes(series)));
    }
  }

  progress({ series, loaded, faulty, count }: Progress): void {
    const card = this.cards.get(series);
    if (!card) return;
    card.bar.style.width = `${(100 * (loaded + faulty)) / Math.max(1, count)}%`;
    card.fault.hidden = faulty === 0;
    card.fault.textContent = `! ${faulty}`;
  }

  private card(series: Series): Card {
    const picture = element("img", "", { alt: "", loading: "lazy", decoding: "async" });
    const text = element("span");
    const count = element("small");
    const bar = element("i");
    const fault = element("span", "crv-badge crv-badge-fault");
    fault.hidden = true;
    const button = element(
      "button",
      "crv-card",
      { type: "button", "aria-pressed": "false" },
      picture,
      element("span", "crv-badge", {}, series.modality),
      fault,
      element("span", "crv-card-text", {}, text, count),
      element("span", "crv-progress", {}, bar),
    );
    button.addEventListener("click", () => this.chosen(series));
    this.fetchPicture(picture, series);
    const card = { series, button, text, count, bar, fault };
    this.cards.set(series, card);
    return card;
  }

  /** When the card comes into sight, and after the first image had its turn. */
  private fetchPicture(picture: HTMLImageElement, series: Series): void {
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      watch.disconnect();
      const url = this.dicomweb.thumbnailUrl(series.studyUid, series.uid);
      void this.dicomweb.pictureUrl(url).then((found) => (picture.src = found), () => undefined);
    });
    watch.observe(picture);
  }
}
