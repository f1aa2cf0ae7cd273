/** Reading of the DICOM JSON model (PS3.18 annex F). Tags are eight hexadecimal digits. */

export interface Element {
  vr: string;
  Value?: unknown[];
  InlineBinary?: string;
  BulkDataURI?: string;
}

export type Model = Record<string, Element | undefined>;

export function values(model: Model | undefined, tag: string): unknown[] {
  return model?.[tag]?.Value ?? [];
}

export function text(model: Model | undefined, tag: string): string {
  const [first] = values(model, tag);
  if (first === undefined || first === null) return "";
  if (typeof first === "object") return String((first as { Alphabetic?: string }).Alphabetic ?? "");
  return String(first).trim();
}

export function texts(model: Model | undefined, tag: string): string[] {
  return values(model, tag).map((value) => (value === null ? "" : String(value).trim()));
}

export function number(model: Model | undefined, tag: string): number | undefined {
  const [first] = values(model, tag);
  return finite(first);
}

export function numbers(model: Model | undefined, tag: string): number[] {
  const found = values(model, tag).map(finite);
  return found.every((value) => value !== undefined) ? (found as number[]) : [];
}

export function items(model: Model | undefined, tag: string): Model[] {
  return values(model, tag).filter((item) => item !== null && typeof item === "object") as Model[];
}

export function item(model: Model | undefined, tag: string): Model | undefined {
  return items(model, tag)[0];
}

/** Bytes of an element that stands inline; undefined where they must be fetched or are absent. */
export function inlineBytes(element: Element | undefined): Uint8Array | undefined {
  if (!element?.InlineBinary) return undefined;
  return bytesOfBase64(element.InlineBinary);
}

export function bytesOfBase64(encoded: string): Uint8Array {
  const binary = atob(encoded);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function finite(value: unknown): number | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const found = Number(value);
  return Number.isFinite(found) ? found : undefined;
}
