/** A series as the viewer walks it: one slot for each frame, headers fetched when they are needed. */

import { type Frame, frameOf } from "../dicom/frame";
import { type Model, number, text } from "../dicom/model";
import type { Dicomweb } from "../net/dicomweb";

export interface Slot {
  sopInstanceUid: string;
  /** Counted from 1. */
  frame: number;
  numberOfFrames: number;
  instanceNumber: number | undefined;
}

/** Up to here one request fetches the headers of a whole series; beyond, each comes with its image. */
const WHOLE_SERIES_INSTANCES = 1000;

export class Series {
  readonly uid: string;
  readonly modality: string;
  readonly number: number | undefined;
  readonly description: string;
  readonly instanceCount: number;
  slots: Slot[] = [];
  /** Whether one frame of it is known and the listing is on its way. */
  isPartial = false;
  private listing: Promise<Slot[]> | undefined;
  private everyHeader: Promise<void> | undefined;
  private readonly models = new Map<string, Promise<Model>>();
  private readonly frames = new Map<string, Frame>();

  constructor(
    readonly studyUid: string,
    facts: Model,
    private readonly dicomweb: Dicomweb,
  ) {
    this.uid = text(facts, "0020000E");
    this.modality = text(facts, "00080060");
    this.number = number(facts, "00200011");
    this.description = text(facts, "0008103E");
    this.instanceCount = number(facts, "00201209") ?? 0;
  }

  /** A series of which one frame is known, before it is listed. */
  static ofOne(
    studyUid: string,
    seriesUid: string,
    { sopInstanceUid, frame }: { sopInstanceUid: string; frame: number },
    dicomweb: Dicomweb,
  ): Series {
    const series = new Series(studyUid, { "0020000E": { vr: "UI", Value: [seriesUid] } }, dicomweb);
    series.isPartial = true;
    series.slots = [{ sopInstanceUid, frame, numberOfFrames: frame, instanceNumber: undefined }];
    return series;
  }

  /** List the frames, in the order of Instance Number. */
  async list(): Promise<Slot[]> {
    this.slots = await this.fetchSlots();
    return this.slots;
  }

  /** Ask for the listing without walking by it yet. */
  fetchSlots(): Promise<Slot[]> {
    this.listing ??= this.dicomweb.instances(this.studyUid, this.uid).then(slotsOf);
    return this.listing;
  }

  /** Take over the listing and headers of the same series that was asked for earlier. */
  adopt(early: Series, slots: Slot[]): void {
    this.slots = slots;
    this.listing = Promise.resolve(slots);
    early.models.forEach((model, uid) => this.models.set(uid, model));
    early.frames.forEach((frame, key) => this.frames.set(key, frame));
  }

  indexOf(sopInstanceUid: string, frame: number): number {
    return this.slots.findIndex((slot) => slot.sopInstanceUid === sopInstanceUid && slot.frame === frame);
  }

  imageId(index: number): string {
    const slot = this.slots[index]!;
    return `coread:${this.studyUid}/${this.uid}/${slot.sopInstanceUid}/${slot.frame}`;
  }

  /** Keep a header that came another way. */
  learn(frame: Frame): void {
    this.frames.set(`${frame.sopInstanceUid}/${frame.frame}`, frame);
  }

  /** A header that is here already. */
  known(index: number): Frame | undefined {
    const slot = this.slots[index];
    return slot && this.frames.get(`${slot.sopInstanceUid}/${slot.frame}`);
  }

  header(index: number): Promise<Frame> {
    const slot = this.slots[index]!;
    return this.headerOf(slot.sopInstanceUid, slot.frame);
  }

  async headerOf(sopInstanceUid: string, frame: number): Promise<Frame> {
    const key = `${sopInstanceUid}/${frame}`;
    const known = this.frames.get(key);
    if (known) return known;
    if (this.everyHeader && !this.models.has(sopInstanceUid)) await this.everyHeader;
    const found = this.frames.get(key) ?? frameOf(await this.model(sopInstanceUid), frame);
    this.frames.set(key, found);
    return found;
  }

  /** Whether all headers can be had with one request. */
  get isSmall(): boolean {
    return new Set(this.slots.map((slot) => slot.sopInstanceUid)).size <= WHOLE_SERIES_INSTANCES;
  }

  /** Fetch all headers of a series that is not too large; a failure leaves them to come one by one. */
  async fetchHeaders(): Promise<void> {
    if (!this.isSmall) return;
    this.everyHeader ??= this.dicomweb
      .seriesMetadata(this.studyUid, this.uid)
      .then((models) => models.forEach((model) => this.keep(model)))
      .catch(() => undefined);
    await this.everyHeader;
  }

  async allHeaders(): Promise<Frame[]> {
    await this.fetchHeaders();
    return Promise.all(this.slots.map((_, index) => this.header(index)));
  }

  private keep(model: Model): void {
    const uid = text(model, "00080018");
    const frames = number(model, "00280008") ?? 1;
    if (frames > 1) this.models.set(uid, Promise.resolve(model));
    else this.frames.set(`${uid}/1`, frameOf(model, 1));
  }

  private model(sopInstanceUid: string): Promise<Model> {
    const known = this.models.get(sopInstanceUid);
    if (known) return known;
    const asked = this.dicomweb.instanceMetadata(this.studyUid, this.uid, sopInstanceUid);
    this.models.set(sopInstanceUid, asked);
    asked.then(
      (model) => (number(model, "00280008") ?? 1) > 1 || this.models.delete(sopInstanceUid),
      () => this.models.delete(sopInstanceUid),
    );
    return asked;
  }
}

function slotsOf(found: Model[]): Slot[] {
  return found
    .filter((model) => number(model, "00280010") !== undefined)
    .map((model) => ({
      sopInstanceUid: text(model, "00080018"),
      instanceNumber: number(model, "00200013"),
      numberOfFrames: Math.max(1, number(model, "00280008") ?? 1),
    }))
    .sort((a, b) => byNumber(a.instanceNumber, b.instanceNumber) || compare(a.sopInstanceUid, b.sopInstanceUid))
    .flatMap((instance) => Array.from({ length: instance.numberOfFrames }, (_, i) => ({ ...instance, frame: i + 1 })));
}

function byNumber(a: number | undefined, b: number | undefined): number {
  return (a ?? Number.MAX_SAFE_INTEGER) - (b ?? Number.MAX_SAFE_INTEGER);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
