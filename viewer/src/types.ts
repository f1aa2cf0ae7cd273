/** What a page gives to the viewer and gets from it. Pixels: origin at the outer corner of the top-left pixel. */

export interface Box {
  left_px: number;
  top_px: number;
  width_px: number;
  height_px: number;
}

/** [x along columns, y along rows], pixels of the stored image. */
export type PointPx = [number, number];

export type OverlayKind = "box" | "outline" | "heat-map" | "seg";

export interface Overlay {
  id: string;
  kind: OverlayKind;
  label: string;
  sopInstanceUid: string;
  /** Counted from 1. */
  frame: number;
  /** CSS colour; each kind has its own otherwise. */
  colour?: string;
  visible?: boolean;
  box?: Box;
  outline?: PointPx[];
  /** `values`: base64 of little-endian float32, row-major, 0..1, spread over `extent`. */
  heatMap?: { rows: number; columns: number; values: string; extent: Box };
  /** A segment of a Segmentation object of the same study, fetched over DICOMweb. */
  seg?: { seriesInstanceUid: string; sopInstanceUid: string; segmentNumber: number };
}

export type Language = "en" | "zh";

export interface ViewerConfig {
  dicomwebRoot: string;
  studyInstanceUid: string;
  language: Language;
  overlays?: Overlay[];
  priors?: { studyInstanceUid: string; label: string }[];
  fetchHeaders?: Record<string, string>;
  firstImage?: { seriesInstanceUid: string; sopInstanceUid: string; frame: number };
  onEvent?: (event: ViewerEvent) => void;
  /** Bound on decoded frames kept, in MB; 768 unless told. */
  cacheMb?: number;
}

export interface Drawn {
  sopInstanceUid: string;
  frame: number;
  box?: Box;
  outline?: PointPx[];
  point?: PointPx;
}

export type MeasurementKind = "length" | "angle" | "ellipse" | "probe";

export interface MeasurementValue {
  id: string;
  kind: MeasurementKind;
  seriesInstanceUid: string;
  sopInstanceUid: string;
  frame: number;
  /** Handles in pixels of the stored image. */
  points: PointPx[];
  /** Length in `unit`, angle in degrees, mean within the ellipse, value under the probe. */
  value: number;
  unit: string;
  /** What the unit rests on. */
  calibration: "patient" | "detector" | "magnification" | "scanned" | "ultrasound" | "none";
  area?: number;
  areaUnit?: string;
  sd?: number;
  min?: number;
  max?: number;
  text: string;
}

export type ViewerEvent =
  | { type: "placeholder"; ms: number }
  | { type: "first-image"; ms: number }
  | { type: "all-loaded"; images: number; ms: number }
  | { type: "image-shown"; sopInstanceUid: string; frame: number }
  | { type: "image-fault"; sopInstanceUid: string; frame: number; reason: string }
  | { type: "measured"; measurement: MeasurementValue };

export interface Viewer {
  setOverlays(overlays: Overlay[]): void;
  /** Scroll to the overlay's image and highlight it. */
  showOverlay(id: string): void;
  setOverlayVisible(idOrKind: string, on: boolean): void;
  /** 0..1, all overlays. */
  setOverlayOpacity(value: number): void;
  goTo(sopInstanceUid: string, frame: number): Promise<void>;
  /** Let the doctor draw; null where Esc was pressed. */
  drawBox(): Promise<Drawn | null>;
  drawOutline(): Promise<Drawn | null>;
  /** A click is a point, a drag a box. */
  drawPlace(): Promise<Drawn | null>;
  measurements(): MeasurementValue[];
  setLanguage(language: Language): void;
  current(): { sopInstanceUid: string; frame: number };
  dispose(): void;
}
