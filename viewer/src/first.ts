/** What is asked for before Cornerstone is here: the listing, the first header, the first frame, a picture of it. */

import { type Frame } from "./dicom/frame";
import { Dicomweb } from "./net/dicomweb";
import type { Part } from "./net/multipart";
import { Series } from "./study/series";
import { Study } from "./study/study";
import type { ViewerConfig } from "./types";

/** An image of a series, by its place in it. */
export interface Place {
  series: Series;
  index: number;
}

/** The first image, on its way. */
export interface FirstImage extends Place {
  header: Promise<Frame>;
  part: Promise<Part>;
  /** The same image among all of its series, where those were not listed yet. */
  listed: Promise<Place> | undefined;
}

export interface Early {
  dicomweb: Dicomweb;
  study: Study;
  /** Undefined where the study holds no image. */
  first: Promise<FirstImage | undefined>;
}

/** Undefined where the page shows a picture already. */
type OnPicture = ((url: string) => void) | undefined;

function fetchPicture(dicomweb: Dicomweb, url: string, onPicture: OnPicture): void {
  if (onPicture) void dicomweb.pictureUrl(url).then(onPicture, () => undefined);
}

export function fetchEarly(config: ViewerConfig, onPicture: OnPicture): Early {
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
  onPicture: OnPicture,
): Promise<FirstImage | undefined> {
  const { seriesInstanceUid, sopInstanceUid, frame } = config.firstImage!;
  const early = Series.ofOne(study.uid, seriesInstanceUid, { sopInstanceUid, frame }, dicomweb);
  const part = quiet(dicomweb.frame(study.uid, seriesInstanceUid, sopInstanceUid, frame));
  const header = quiet(early.header(0));
  const url = dicomweb.renderedUrl(study.uid, seriesInstanceUid, sopInstanceUid, frame);
  fetchPicture(dicomweb, url, onPicture);
  return { series: early, index: 0, header, part, listed: quiet(listed(study, early, sopInstanceUid, frame)) };
}

async function listed(study: Study, early: Series, sopInstanceUid: string, frame: number): Promise<Place> {
  const [all, slots] = await Promise.all([study.series(), early.fetchSlots()]);
  const series = all.find((one) => one.uid === early.uid);
  if (!series) throw new Error("no such series");
  series.adopt(early, slots);
  return { series, index: Math.max(0, series.indexOf(sopInstanceUid, frame)) };
}

/** A promise whose failure is looked at later, by whoever awaits it. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

async function found(
  study: Study,
  dicomweb: Dicomweb,
  onPicture: OnPicture,
): Promise<FirstImage | undefined> {
  for (const series of await study.series()) {
    const slots = await series.list();
    const slot = slots[0];
    if (!slot) continue;
    const url = dicomweb.renderedUrl(study.uid, series.uid, slot.sopInstanceUid, slot.frame);
    fetchPicture(dicomweb, url, onPicture);
    const part = dicomweb.frame(study.uid, series.uid, slot.sopInstanceUid, slot.frame);
    part.catch(() => undefined);
    const header = series.header(0);
    header.catch(() => undefined);
    return { series, index: 0, header, part, listed: undefined };
  }
  return undefined;
}
