/** Stands for dcmjs: Cornerstone names its dictionary when it starts, and the viewer uses none of it. */

import loglevel from "loglevel";

class Absent {
  constructor() {
    throw new Error("dcmjs is left out of the viewer");
  }
}

export const constants = {
  IMPLICIT_LITTLE_ENDIAN: "1.2.840.10008.1.2",
  EXPLICIT_LITTLE_ENDIAN: "1.2.840.10008.1.2.1",
  DEFLATED_EXPLICIT_LITTLE_ENDIAN: "1.2.840.10008.1.2.1.99",
  EXPLICIT_BIG_ENDIAN: "1.2.840.10008.1.2.2",
};

// Any keyword has a tag here, so that Cornerstone's table of tags is built without a warning for each.
const entry = { tag: "(FFFF,FFFF)", vr: "UN", vm: "1" };
const isKeyword = (name: string | symbol) => typeof name === "string" && /^[A-Z]/.test(name);
const anyTag = new Proxy(
  {},
  {
    get: (_, name) => (isKeyword(name) ? entry : undefined),
    getOwnPropertyDescriptor: (_, name) =>
      isKeyword(name) ? { value: entry, configurable: true, enumerable: true } : undefined,
  },
);

export const data = { DicomMetaDictionary: { dictionary: {}, nameMap: anyTag } };
export const async = { AsyncDicomReader: Absent };
export const utilities = { DicomMetadataListener: Absent };

/** Cornerstone takes its logger from here. */
export const log = loglevel;

export default { log, constants, data, async, utilities };
