/** What stands where an image cannot be shown: which one, why, and that reading goes on. */

import type { Say } from "../text/catalogue";
import { element } from "./dom";

export interface ImageFault {
  index: number;
  count: number;
  frame: number;
  reason: string;
}

export class FaultTile {
  private readonly title = element("strong");
  private readonly place = element("div");
  private readonly reason = element("code");
  private readonly advice = element("div");
  private readonly again = element("button", "crv-button", { type: "button" });
  private readonly tile = element("div", "crv-fault", { role: "alert" });

  constructor(parent: HTMLElement, retry: () => void) {
    this.tile.append(this.title, this.place, this.reason, this.advice, this.again);
    this.tile.hidden = true;
    this.again.addEventListener("click", retry);
    parent.append(this.tile);
  }

  show(fault: ImageFault, say: Say): void {
    this.title.textContent = say("faultTitle");
    this.place.textContent = say("faultFrame", { ...fault, index: fault.index + 1 });
    this.reason.textContent = fault.reason;
    this.advice.textContent = say("faultGoOn");
    this.again.textContent = say("retry");
    this.tile.hidden = false;
  }

  hide(): void {
    this.tile.hidden = true;
  }
}
