import { describe, expect, it, vi } from "vitest";
import { type Frame, frameOf } from "../src/dicom/frame";
import type { Model } from "../src/dicom/model";
import { Dicomweb } from "../src/net/dicomweb";
import { FetchQueue } from "../src/net/queue";
import { firstPart, transferSyntaxOf } from "../src/net/multipart";
import { affineOf, apply, inverse } from "../src/overlay/affine";
import { isSound, OverlayBook } from "../src/overlay/book";
import { cutsThrough } from "../src/overlay/cuts";
import { colourOf } from "../src/overlay/heat_map";
import { around } from "../src/study/prefetch";
import { CHINESE, ENGLISH, speaker } from "../src/text/catalogue";
import { boxOf, thinned } from "../src/tools/draw";
import { angleOf, ellipseStatistics, lengthOf, measure } from "../src/tools/measures";
import type { FrameImage } from "../src/pixels/image";
import { presetsOf } from "../src/view/presets";
import { Link, stackOf } from "../src/view/link";
import { actionOf, keyList } from "../src/view/keys";

const ds = (...Value: unknown[]) => ({ vr: "DS", Value });

function slice(z: number, uid = "1", normal = 1): Frame {
  const model: Model = {
    "00280010": ds(4), "00280011": ds(4), "00280030": ds(2, 1), "00200052": { vr: "UI", Value: [uid] },
    "00200037": ds(1, 0, 0, 0, normal, 0), "00200032": ds(0, 0, z), "00180050": ds(2), "00080060": ds("CT"),
  };
  return frameOf(model, 1);
}

describe("catalogues", () => {
  it("are complete, and name the same places in a text", () => {
    const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
    for (const [key, text] of Object.entries(ENGLISH)) {
      const chinese = CHINESE[key as keyof typeof CHINESE];
      expect(chinese === "", key).toBe(text === "");
      expect(places(chinese), key).toEqual(places(text));
    }
  });
  it("put facts into their places", () => {
    expect(speaker("zh")("image", { index: 3, count: 9 })).toBe("影像 3/9");
  });
});

describe("fetch queue", () => {
  it("runs few at one time, the most urgent first, none twice", async () => {
    const queue = new FetchQueue<number>(1);
    const order: number[] = [];
    const task = (priority: number) => queue.add({ key: String(priority), priority, run: async () => order.push(priority) });
    await Promise.all([task(5), task(1), task(3), task(1)]);
    expect(order).toEqual([1, 3, 5]);
  });
  it("drops what is not wanted any more", async () => {
    const queue = new FetchQueue<string>(1);
    const kept = queue.add({ key: "a", priority: 1, run: async () => "a" });
    const dropped = queue.add({ key: "b", priority: 2, run: async () => "b" });
    queue.reprioritise((key) => (key === "a" ? 1 : undefined));
    await expect(kept).resolves.toBe("a");
    await expect(dropped).rejects.toThrow("no longer wanted");
  });
});

describe("multipart", () => {
  it("finds the part and its syntax", () => {
    const head = '--x\r\nContent-Type: image/jls; transfer-syntax=1.2.840.10008.1.2.4.80\r\n\r\n';
    const body = new TextEncoder().encode(`${head}ab\r\n--x--\r\n`);
    const part = firstPart(body, 'multipart/related; type="image/jls"; boundary=x');
    expect(new TextDecoder().decode(part.bytes)).toBe("ab");
    expect(transferSyntaxOf(part.contentType)).toBe("1.2.840.10008.1.2.4.80");
    expect(() => firstPart(body.subarray(0, 20), "multipart/related; boundary=x")).toThrow("cut short");
  });
});

describe("maps", () => {
  it("go there and back", () => {
    const map = affineOf([10, 20], [10, 40], [-20, 20], 10);
    const there = apply(map, [3, 4]);
    expect(apply(inverse(map), there)[0]).toBeCloseTo(3);
    expect(apply(inverse(map), there)[1]).toBeCloseTo(4);
  });
});

describe("measures", () => {
  const frame = slice(0);
  it("are in millimetres of the spacing", () => {
    expect(lengthOf(frame, [[0, 0], [3, 2]]).value).toBe(5);
    expect(angleOf(frame, [[1, 0], [0, 0], [0, 5]])).toBeCloseTo(90);
    // Pixels twice as high as wide: what looks like 45 degrees in pixels is steeper.
    expect(angleOf(frame, [[1, 0], [0, 0], [1, 1]])).toBeCloseTo(63.43, 1);
  });
  it("count pixels where there is no scale", () => {
    const bare = frameOf({ "00280010": ds(4), "00280011": ds(4), "00280034": ds(2, 1) }, 1);
    const found = measure("length", bare, undefined, [[0, 0], [3, 4]], speaker("zh"));
    expect(found).toMatchObject({ value: 5, unit: "px", calibration: "none", text: "5 px (未校准)" });
  });
  it("leave padding out of an ellipse", () => {
    const grey = { values: Int16Array.from({ length: 16 }, (_, i) => (i === 5 ? -2000 : 10)), min: 10, max: 10, padding: [-2000, -2000] as [number, number] };
    expect(ellipseStatistics(grey, frame, { left: 0, right: 4, top: 0, bottom: 4 })).toMatchObject({ mean: 10, sd: 0, pixels: 11 });
  });
});

describe("links between series", () => {
  const stack = (start: number, step: number, count: number, uid: string, normal = 1) =>
    stackOf(Array.from({ length: count }, (_, i) => slice(start + i * step, uid, normal)));
  it("compare places in one frame of reference", () => {
    expect(Link.between(stack(0, 2, 10, "a"), stack(10, 1, 20, "a"), 0, 0)!.follow(6)).toBe(2);
  });
  it("compare distances between frames of reference, also in the other direction", () => {
    expect(Link.between(stack(0, 2, 10, "a"), stack(500, 1, 20, "b"), 2, 4)!.follow(4)).toBe(8);
    const mirrored = stack(0, 2, 10, "b", -1);
    expect(Link.between(stack(0, 2, 10, "a"), mirrored, 5, 5)!.follow(7)).toBe(7);
  });
  it("are refused without geometry", () => {
    expect(stackOf([slice(0)])).toBeUndefined();
    expect(Link.between(undefined, stack(0, 1, 3, "a"), 0, 0)).toBeUndefined();
  });
});

describe("overlays", () => {
  const place = { id: "a", label: "", sopInstanceUid: "1", frame: 1 };
  const box = { left_px: 1, top_px: 1, width_px: 2, height_px: 2 };
  it("without a place are not drawn", () => {
    expect(isSound({ ...place, kind: "box" })).toBe(false);
    expect(isSound({ ...place, kind: "box", box: { ...box, left_px: NaN } })).toBe(false);
    expect(isSound({ ...place, kind: "outline", outline: [[0, 0], [1, 1]] })).toBe(true);
  });
  it("are switched one by one, by kind and as a whole", () => {
    const book = new OverlayBook();
    book.set([{ ...place, kind: "box", box }, { ...place, id: "b", kind: "box", box, visible: false }]);
    const shown = () => book.on("1", 1).map(({ id }) => id);
    expect(shown()).toEqual(["a"]);
    book.setVisible("b", true);
    expect(shown()).toEqual(["a", "b"]);
    book.setVisible("box", false);
    expect(shown()).toEqual([]);
    book.highlighted = "b";
    expect(shown()).toEqual(["b"]);
  });
  it("follow what the page says anew, and keep what was switched here", () => {
    const book = new OverlayBook();
    const overlay = { ...place, kind: "box" as const, box };
    book.set([overlay]);
    book.setVisible("a", false);
    book.set([overlay]);
    expect(book.on("1", 1)).toEqual([]);
    book.set([{ ...overlay, visible: false }]);
    book.set([{ ...overlay, visible: true }]);
    expect(book.on("1", 1)).toHaveLength(1);
  });
  it("are cut by planes of the patient", () => {
    const world = ([x, y]: [number, number]): [number, number, number] => [x, y * 2, 0];
    const across = cutsThrough({ ...place, kind: "box", box }, world, slice(0), { normal: [0, 1, 0], point: [0, 4, 0] });
    expect(across).toEqual([[[3, 4, 0], [1, 4, 0]]]);
    const far = cutsThrough({ ...place, kind: "box", box }, world, slice(0), { normal: [0, 0, 1], point: [0, 0, 5] });
    expect(far).toEqual([]);
  });
  it("colour a heat map from clear to bright", () => {
    expect(colourOf(0)[3]).toBe(0);
    expect(colourOf(NaN)).toEqual([0, 0, 0, 0]);
    expect(colourOf(2)).toEqual(colourOf(1));
    expect(colourOf(0.8)[3]).toBeGreaterThan(colourOf(0.3)[3]);
  });
});

describe("drawing", () => {
  it("orders corners and thins lines", () => {
    expect(boxOf([5, 6], [1, 9])).toEqual({ left_px: 1, top_px: 6, width_px: 4, height_px: 3 });
    expect(thinned([[0, 0], [1, 0.1], [2, 0], [2, 2]], 0.5)).toEqual([[0, 0], [2, 0], [2, 2]]);
  });
});

describe("prefetch", () => {
  it("goes forward before back, and no farther than it may", () => {
    expect([...around(5, 100, 6)].map(([at]) => at)).toEqual([5, 6, 4, 7, 8, 3]);
    expect([...around(0, 3, 10)].map(([at]) => at)).toEqual([0, 1, 2]);
  });
});

describe("DICOMweb", () => {
  it("asks again where the server is busy, not where it says no", async () => {
    const answers = [new Response("", { status: 503 }), new Response("[]", { status: 200 }), new Response("", { status: 404 })];
    vi.stubGlobal("fetch", async () => answers.shift()!);
    const dicomweb = new Dicomweb("/dicomweb");
    await expect(dicomweb.series("1")).resolves.toEqual([]);
    await expect(dicomweb.series("1")).rejects.toThrow("HTTP 404");
    vi.unstubAllGlobals();
  });
});

describe("window presets", () => {
  it("go through the windows that the header offers", () => {
    const windows = [{ center: 1, width: 2, label: "" }, { center: 3, width: 4, label: "" }];
    const image = { frame: { windows } } as unknown as FrameImage;
    const preset = presetsOf("CT")[8]!;
    expect(preset.window(image, windows[0]!)).toEqual(windows[1]);
    expect(preset.window(image, windows[1]!)).toBeUndefined();
  });
});

describe("keys", () => {
  const press = (key: string, held: object = {}) => actionOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held } as KeyboardEvent);
  it("are those of the list, and leave the page its own", () => {
    expect(press("W")).toBe("window");
    expect(press("7")).toBe("preset7");
    expect(press("ArrowLeft", { shiftKey: true })).toBe("panLeft");
    for (const key of ["j", "k", "a", "e", "r", "u", "o", "d", "s", "[", "]", "?"]) expect(press(key)).toBeUndefined();
    expect(press("s", { ctrlKey: true })).toBeUndefined();
    expect(keyList(speaker("en")).every(({ text }) => text.length > 0)).toBe(true);
  });
});
