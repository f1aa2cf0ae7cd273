/** What is asked for before Cornerstone is here: the listing, the first header, the first frame, a picture of it. */

import { type Frame } from "./dicom/frame";
import { Dicomweb } from "./net/dicomweb";
import type { Part } from "./net/multipart";
import { Series } from "./study/series";
import { Study } from "./study/study";
import type { ViewerConfig } from "./types";

/** The first image, on its way. */
export interface FirstImage {
  series: Series;
  index: number;
  header: Promise<Frame>;
  part: Promise<Part>;
}

export interface Early {
  dicomweb: Dicomweb;
  study: Study;
  /** Undefined where the study holds no image. */
  first: Promise<FirstImage | undefined>;
}

export function fetchEarly(config: ViewerConfig, onPicture: (url: string) => void): Early {
  const dicomweb = new Dicomweb(config.dicomwebRoot.replace(/\/$/, ""), config.fetchHeaders);
  const study = new Study(config.studyInstanceUid, dicomweb);
  const first = config.firstImage ? named(config, study, dicomweb, onPicture) : found(study, dicomweb, onPicture);
  first.catch(() => undefined);
  return { dicomweb, study, first };
}

/** The page says which: its header and pixels need not wait for the listing. */
async function named(
  config: ViewerConfig,
  study: Study,
  dicomweb: Dicomweb,
  onPicture: (url: string) => void,
): Promise<FirstImage | undefined> {
  const { seriesInstanceUid, sopInstanceUid, frame } = config.firstImage!;
  const part = dicomweb.frame(study.uid, seriesInstanceUid, sopInstanceUid, frame);
  part.catch(() => undefined);
  const early = new Series(study.uid, { "0020000E": { vr: "UI", Value: [seriesInstanceUid] } }, dicomweb);
  const header = early.headerOf(sopInstanceUid, frame);
  header.catch(() => undefined);
  void dicomweb.pictureUrl(dicomweb.renderedUrl(study.uid, seriesInstanceUid, sopInstanceUid, frame)).then(onPicture, () => undefined);
  const listed = early.list();
  const all = await study.series();
  const series = all.find((one) => one.uid === seriesInstanceUid);
  if (!series) return found(study, dicomweb, onPicture);
  series.slots = await listed;
  const index = Math.max(0, series.indexOf(sopInstanceUid, frame));
  series.adopt(early);
  return { series, index, header, part };
}

async function found(
  study: Study,
  dicomweb: Dicomweb,
  onPicture: (url: string) => void,
): Promise<FirstImage | undefined> {
  for (const series of await study.series()) {
    const slots = await series.list();
    const slot = slots[0];
    if (!slot) continue;
    const url = dicomweb.renderedUrl(study.uid, series.uid, slot.sopInstanceUid, slot.frame);
    void dicomweb.pictureUrl(url).then(onPicture, () => undefined);
    const part = dicomweb.frame(study.uid, series.uid, slot.sopInstanceUid, slot.frame);
    part.catch(() => undefined);
    const header = series.header(0);
    header.catch(() => undefined);
    return { series, index: 0, header, part };
  }
  return undefined;
}
