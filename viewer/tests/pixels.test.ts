import { describe, expect, it } from "vitest";
import { frameOf } from "../src/dicom/frame";
import type { Model } from "../src/dicom/model";
import { greyOf } from "../src/pixels/modality";
import { nativeSamples } from "../src/pixels/native";
import { expandSegments, rgbOfPalette } from "../src/pixels/palette";
import { rleSamples } from "../src/pixels/rle";
import { brightness, paintGrey } from "../src/pixels/voi";

const value = (...Value: unknown[]) => ({ vr: "US", Value });

function frame(facts: Model = {}) {
  return frameOf({ "00280010": value(1), "00280011": value(4), "00280100": value(16), ...facts }, 1);
}

const bytes = (...words: number[]) => new Uint8Array(Int16Array.from(words).buffer);

describe("native samples", () => {
  it("drops bits beyond Bits Stored and extends the sign", () => {
    const signed = frame({ "00280101": value(12), "00280103": value(1) });
    expect([...nativeSamples(bytes(0x0fff, 0x7001, 0x0800, 5), signed)]).toEqual([-1, 1, -2048, 5]);
    const plain = frame({ "00280101": value(12) });
    expect([...nativeSamples(bytes(0x0fff, 0x7001, 2, 5), plain)]).toEqual([4095, 1, 2, 5]);
  });
  it("refuses too few bytes", () => {
    expect(() => nativeSamples(bytes(1, 2, 3), frame())).toThrow(/6 bytes of pixels where 8/);
  });
  it("puts the samples of a pixel together as the header says they lie", () => {
    const colour = { "00280002": value(3), "00280100": value(8) };
    const byPlane = frame({ ...colour, "00280004": value("RGB"), "00280006": value(1) });
    expect([...nativeSamples(Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24), byPlane)]).toEqual([
      1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24,
    ]);
    const halved = frame({ ...colour, "00280004": value("YBR_FULL_422"), "00280006": value(0) });
    expect([...nativeSamples(Uint8Array.of(1, 2, 98, 99, 3, 4, 96, 97), halved)]).toEqual([
      1, 98, 99, 2, 98, 99, 3, 96, 97, 4, 96, 97,
    ]);
  });
  it("unpacks single bits", () => {
    const bits = frame({ "00280100": value(1) });
    expect([...nativeSamples(new Uint8Array([0b1010]), bits)]).toEqual([0, 1, 0, 1]);
  });
});

describe("modality values", () => {
  it("are whole where slope and intercept are", () => {
    const ct = frame({ "00281053": value(1), "00281052": value(-1024) });
    const grey = greyOf(Uint16Array.of(0, 24, 1024, 3000), ct, undefined);
    expect([...grey.values]).toEqual([-1024, -1000, 0, 1976]);
    expect(grey.values).toBeInstanceOf(Int16Array);
  });
  it("leave padding out of the range, and carry it over", () => {
    const padded = frame({ "00280120": value(9), "00280121": value(8), "00281053": value(-2) });
    const grey = greyOf(Uint16Array.of(1, 8, 9, 3), padded, undefined);
    expect(grey).toMatchObject({ min: -6, max: -2, padding: [-18, -16] });
  });
});

describe("brightness", () => {
  const look = (center: number, width: number, voiFunction = "LINEAR") => ({
    window: { center, width, label: "" }, voiFunction, table: undefined, isInverse: false,
  });
  it("follows PS3.3 C.11.2.1.2.1 and its exact form", () => {
    const linear = brightness(look(2048, 4096));
    expect([linear(0), linear(4095)]).toEqual([0, 255]);
    const exact = brightness(look(2, 4, "LINEAR_EXACT"));
    expect([exact(0), exact(2), exact(4)]).toEqual([0, 127.5, 255]);
    expect(brightness(look(10, 4, "SIGMOID"))(10)).toBeCloseTo(127.5);
  });
  it("shows padding black, also inverted", () => {
    const grey = { values: Int16Array.of(0, 100, -2000), min: 0, max: 100, padding: [-2000, -2000] as [number, number] };
    const pixels = new Uint32Array(3);
    paintGrey(grey, { ...look(50, 100), isInverse: true }, pixels);
    expect(pixels[2]).toBe(0xff000000);
    expect(pixels[0]! & 255).toBe(255);
  });
});

describe("palettes", () => {
  it("clamp at both ends of the table", () => {
    const facts: Model = { "00280004": value("PALETTE COLOR"), "00280100": value(8) };
    for (const channel of [1, 2, 3]) facts[`0028110${channel}`] = value(2, 10, 8);
    const table = Uint8Array.of(7, 200);
    const rgb = rgbOfPalette(Uint8Array.of(0, 10, 11, 99), frame(facts), [table, table, table]);
    expect([...rgb].filter((_, i) => i % 3 === 0)).toEqual([7, 7, 200, 200]);
  });
  it("expand their segments", () => {
    const words = Uint16Array.of(0, 2, 5, 10, 1, 4, 50, 2, 1, 0, 0);
    const found = new Uint16Array(expandSegments(new Uint8Array(words.buffer), 16).buffer);
    expect([...found]).toEqual([5, 10, 20, 30, 40, 50, 5, 10]);
  });
});

describe("RLE", () => {
  it("puts high and low bytes together", () => {
    const header = new Uint8Array(64);
    new DataView(header.buffer).setUint32(0, 2, true);
    new DataView(header.buffer).setUint32(4, 64, true);
    new DataView(header.buffer).setUint32(8, 67, true);
    const stream = Uint8Array.of(...header, 253, 1, 128, 3, 1, 2, 3, 4);
    expect([...rleSamples(stream, frame())]).toEqual([0x101, 0x102, 0x103, 0x104]);
    expect(() => rleSamples(stream.subarray(0, 70), frame())).toThrow(/short/);
  });
});
