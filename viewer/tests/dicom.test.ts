import { describe, expect, it } from "vitest";
import { frameOf } from "../src/dicom/frame";
import type { Model } from "../src/dicom/model";
import { regionsOf, spacingOf } from "../src/dicom/spacing";
import { directionLetters, oppositeLetters } from "../src/dicom/vectors";

const ds = (...Value: unknown[]) => ({ vr: "DS", Value });
const text = (...Value: unknown[]) => ({ vr: "CS", Value });

describe("spacing", () => {
  const of = (model: Model, modality: string) => spacingOf(model, undefined, modality);

  it("takes Pixel Spacing of a slice as the patient's", () => {
    expect(of({ "00280030": ds(0.8, 0.5) }, "CT")).toEqual({ row_mm: 0.8, column_mm: 0.5, calibration: "patient" });
  });
  it("knows a projection's Pixel Spacing that repeats the detector's", () => {
    const model = { "00280030": ds(0.2, 0.2), "00181164": ds(0.2, 0.2) };
    expect(of(model, "DX").calibration).toBe("detector");
    expect(of({ ...model, "00280A02": text("FIDUCIAL") }, "DX").calibration).toBe("patient");
    expect(of({ ...model, "00280030": ds(0.15, 0.15) }, "DX").calibration).toBe("patient");
  });
  it("corrects the detector's by the magnification factor", () => {
    const found = of({ "00181164": ds(0.3, 0.3), "00181114": ds(1.5) }, "MG");
    expect(found.row_mm).toBeCloseTo(0.2);
    expect(found.calibration).toBe("magnification");
  });
  it("keeps the shape of a pixel where nothing has a scale", () => {
    expect(of({ "00280034": { vr: "IS", Value: [2, 1] } }, "OT")).toEqual({
      row_mm: 2,
      column_mm: 1,
      calibration: "none",
    });
    expect(of({ "00280030": ds(0, 0) }, "CT").calibration).toBe("none");
  });
  it("reads ultrasound regions in centimetres only", () => {
    const region = (unit: number): Model => ({
      "00186018": ds(0), "0018601A": ds(0), "0018601C": ds(99), "0018601E": ds(49),
      "00186024": ds(unit), "00186026": ds(unit), "0018602C": ds(0.05), "0018602E": ds(-0.1),
    });
    const found = regionsOf({ "00186011": { vr: "SQ", Value: [region(3), region(4)] } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ column_mm: 0.5, row_mm: 1, right_px: 99 });
  });
});

describe("frame", () => {
  it("reads per-frame groups before shared ones", () => {
    const place = (z: number) => ({ "00209113": { vr: "SQ", Value: [{ "00200032": ds(0, 0, z) }] } });
    const model: Model = {
      "00280008": { vr: "IS", Value: [2] },
      "52009229": {
        vr: "SQ",
        Value: [{
          "00209116": { vr: "SQ", Value: [{ "00200037": ds(1, 0, 0, 0, 1, 0) }] },
          "00289110": { vr: "SQ", Value: [{ "00280030": ds(0.7, 0.7), "00180050": ds(3) }] },
        }],
      },
      "52009230": { vr: "SQ", Value: [place(5), place(8)] },
    };
    const frame = frameOf(model, 2);
    expect(frame.position_mm).toEqual([0, 0, 8]);
    expect(frame.sliceThickness_mm).toBe(3);
    expect(frame.spacing.row_mm).toBe(0.7);
  });
  it("does without what is malformed", () => {
    const frame = frameOf({ "00200037": ds(1, 0, 0, 1, 0, 0), "00200032": ds(1, 2, 3), "00281050": ds("x"), "00281051": ds(400) }, 1);
    expect(frame.rowDirection).toBeUndefined();
    expect(frame.position_mm).toBeUndefined();
    expect(frame.windows).toEqual([]);
    expect(frame.slope).toBe(1);
  });
  it("takes the frame rate of the header", () => {
    expect(frameOf({ "00181063": ds(40) }, 1).frameTime_ms).toBe(40);
    expect(frameOf({ "00082144": { vr: "IS", Value: [25] } }, 1).frameTime_ms).toBe(40);
    expect(frameOf({}, 1).frameTime_ms).toBeUndefined();
  });
});

describe("directions", () => {
  it("names the strongest first", () => {
    expect(directionLetters([1, 0, 0])).toBe("L");
    expect(directionLetters([-0.8, 0.6, 0])).toBe("RP");
    expect(directionLetters([0, 0, -1])).toBe("F");
    expect(oppositeLetters("RP")).toBe("LA");
  });
});
