/** Which image of one series lies where an image of another lies. */

import { normalOf, type Frame } from "../dicom/frame";
import { type Vector, dot } from "../dicom/vectors";
import type { Series } from "../study/series";

/** Where the images of a series lie along its normal. */
export interface Stack {
  normal: Vector;
  frameOfReferenceUid: string;
  positions_mm: number[];
}

const PARALLEL = 0.95;

/** Undefined where the images lie in no common direction. */
export function stackOf(frames: readonly Frame[]): Stack | undefined {
  const first = frames[0];
  const normal = first && normalOf(first);
  if (!normal || frames.length < 2) return undefined;
  const isParallel = frames.every((frame) => {
    const own = normalOf(frame);
    return frame.position_mm && own && Math.abs(dot(own, normal)) > PARALLEL;
  });
  if (!isParallel) return undefined;
  return {
    normal,
    frameOfReferenceUid: first.frameOfReferenceUid,
    positions_mm: frames.map((frame) => dot(frame.position_mm!, normal)),
  };
}

/** Follows one series by another. */
export class Link {
  private offset_mm = 0;

  private constructor(
    private readonly from: Stack,
    private readonly to: Stack,
    private readonly sign: 1 | -1,
  ) {}

  /** Where both lie in one frame of reference places are compared, else distances from where both now stand. */
  static between(from: Stack | undefined, to: Stack | undefined, fromIndex: number, toIndex: number): Link | undefined {
    if (!from || !to) return undefined;
    const cosine = dot(from.normal, to.normal);
    if (Math.abs(cosine) < PARALLEL) return undefined;
    const link = new Link(from, to, cosine > 0 ? 1 : -1);
    if (from.frameOfReferenceUid === "" || from.frameOfReferenceUid !== to.frameOfReferenceUid) {
      link.offset_mm = to.positions_mm[toIndex]! - link.sign * from.positions_mm[fromIndex]!;
    }
    return link;
  }

  /** The image of the second series nearest to one of the first. */
  follow(index: number): number {
    const wanted = this.sign * this.from.positions_mm[index]! + this.offset_mm;
    let best = 0;
    this.to.positions_mm.forEach((position, at) => {
      if (Math.abs(position - wanted) < Math.abs(this.to.positions_mm[best]! - wanted)) best = at;
    });
    return best;
  }
}

export async function linkSeries(from: Series, to: Series, fromIndex: number, toIndex: number): Promise<Link | undefined> {
  if (!from.isSmall || !to.isSmall) return undefined;
  const [one, other] = await Promise.all([from.allHeaders(), to.allHeaders()]);
  return Link.between(stackOf(one), stackOf(other), fromIndex, toIndex);
}
