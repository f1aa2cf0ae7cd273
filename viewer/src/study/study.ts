/** A study: its series of images, in reading order. */

import { type Model, text } from "../dicom/model";
import type { Dicomweb } from "../net/dicomweb";
import { Series } from "./series";

/** Modalities whose objects hold no image of their own. */
const NOT_IMAGES = new Set([
  "SR", "PR", "KO", "SEG", "DOC", "RTSTRUCT", "RTPLAN", "REG", "FID", "RWV", "AU", "ECG", "HD", "PLAN", "M3D",
  "OAM", "OPM", "OPV", "ANN", "STAIN", "SMR", "TEXTUREMAP", "RTRECORD",
]);

export class Study {
  private listing: Promise<Series[]> | undefined;

  constructor(
    readonly uid: string,
    private readonly dicomweb: Dicomweb,
  ) {}

  /** Series that hold images, by Series Number. */
  series(): Promise<Series[]> {
    this.listing ??= this.dicomweb.series(this.uid).then((found) => this.sorted(found));
    return this.listing;
  }

  private sorted(found: Model[]): Series[] {
    return found
      .filter((facts) => !NOT_IMAGES.has(text(facts, "00080060")))
      .map((facts) => new Series(this.uid, facts, this.dicomweb))
      .sort((a, b) => (a.number ?? 1e9) - (b.number ?? 1e9) || (a.uid < b.uid ? -1 : 1));
  }
}
