/** What the viewer asks of a DICOMweb server: searches, metadata, frames, pictures (PS3.18). */

import type { Model } from "../dicom/model";
import { type Part, firstPart } from "./multipart";

export class DicomwebFault extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const JSON_TYPE = "application/dicom+json";
const STORED_FRAME = "application/octet-stream; transfer-syntax=*";
const PAGE = 5000;
const BUSY = new Set([429, 502, 503, 504]);
const PAUSES_MS = [250, 1000, 3000];

export class Dicomweb {
  constructor(
    private readonly root: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  /** Whether pictures can be named in an `<img>`, which sends no header of ours. */
  get isPlain(): boolean {
    return Object.keys(this.headers).length === 0;
  }

  series(study: string): Promise<Model[]> {
    return this.json(`/studies/${study}/series`);
  }

  /** All instances of a series, page by page. */
  async instances(study: string, series: string): Promise<Model[]> {
    const found: Model[] = [];
    for (;;) {
      const page = await this.json(
        `/studies/${study}/series/${series}/instances?limit=${PAGE}&offset=${found.length}`,
      );
      found.push(...page);
      if (page.length < PAGE) return found;
    }
  }

  seriesMetadata(study: string, series: string): Promise<Model[]> {
    return this.json(`/studies/${study}/series/${series}/metadata`);
  }

  async instanceMetadata(study: string, series: string, instance: string): Promise<Model> {
    const [model] = await this.json(`/studies/${study}/series/${series}/instances/${instance}/metadata`);
    if (!model) throw new DicomwebFault(404, "no metadata");
    return model;
  }

  frame(study: string, series: string, instance: string, frame: number, signal?: AbortSignal): Promise<Part> {
    return this.bytes(
      `/studies/${study}/series/${series}/instances/${instance}/frames/${frame}`,
      STORED_FRAME,
      signal,
    );
  }

  /** A large value by its BulkDataURI, which may be relative to the metadata's address. */
  async bulk(uri: string): Promise<Uint8Array> {
    const path = new URL(uri, `${new URL(this.root, location.href)}/`);
    const part = await this.read(path.href, "application/octet-stream", undefined);
    return part.bytes;
  }

  renderedUrl(study: string, series: string, instance: string, frame: number): string {
    return `${this.root}/studies/${study}/series/${series}/instances/${instance}/frames/${frame}/rendered`;
  }

  thumbnailUrl(study: string, series: string): string {
    return `${this.root}/studies/${study}/series/${series}/thumbnail`;
  }

  /** An address for an `<img>`: the picture's own, or a blob where headers must be sent. */
  async pictureUrl(url: string): Promise<string> {
    if (this.isPlain) return url;
    const part = await this.read(url, "image/jpeg", undefined);
    return URL.createObjectURL(new Blob([part.bytes as BlobPart], { type: part.contentType }));
  }

  private async json(path: string): Promise<Model[]> {
    const response = await this.get(this.root + path, JSON_TYPE, undefined);
    return response.status === 204 ? [] : ((await response.json()) as Model[]);
  }

  private bytes(path: string, accept: string, signal: AbortSignal | undefined): Promise<Part> {
    return this.read(this.root + path, accept, signal);
  }

  private async read(url: string, accept: string, signal: AbortSignal | undefined): Promise<Part> {
    const response = await this.get(url, accept, signal);
    const body = new Uint8Array(await response.arrayBuffer());
    return firstPart(body, response.headers.get("Content-Type") ?? "");
  }

  /** Ask, and again after a growing pause where the server is busy or the connection broke. */
  private async get(url: string, accept: string, signal: AbortSignal | undefined): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt === PAUSES_MS.length;
      const response = await this.ask(url, accept, signal).catch((error: unknown) => {
        if (isLast || signal?.aborted || !(error instanceof TypeError)) throw error;
        return undefined;
      });
      if (response?.ok) return response;
      if (response && (isLast || !BUSY.has(response.status))) {
        throw new DicomwebFault(response.status, await faultText(response));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[attempt]));
    }
  }

  private ask(url: string, accept: string, signal: AbortSignal | undefined): Promise<Response> {
    const headers = { ...this.headers, Accept: accept };
    return fetch(url, { headers, credentials: "same-origin", signal: signal ?? null });
  }
}

/** The server's own words, short; its JSON faults carry a title. */
async function faultText(response: Response): Promise<string> {
  const body = await response.text().catch(() => "");
  try {
    const fault = JSON.parse(body) as Record<string, unknown>;
    const said = fault["found"] ?? fault["message"] ?? fault["title"] ?? fault["detail"];
    if (typeof said === "string") return `HTTP ${response.status}: ${said.slice(0, 200)}`;
  } catch {
    // Not JSON: the status says enough.
  }
  return `HTTP ${response.status}`;
}
