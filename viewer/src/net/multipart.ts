/** The first part of a multipart/related answer (RFC 2387), or the body itself. */

export interface Part {
  bytes: Uint8Array;
  contentType: string;
}

export function firstPart(body: Uint8Array, contentType: string): Part {
  const boundary = /^multipart\/related.*boundary="?([^";]+)"?/is.exec(contentType)?.[1];
  if (boundary === undefined) return { bytes: body, contentType };
  const mark = new TextEncoder().encode(`--${boundary}`);
  const start = indexOf(body, mark, 0);
  const gap = indexOf(body, new TextEncoder().encode("\r\n\r\n"), start);
  const end = indexOf(body, mark, gap);
  if (start < 0 || gap < 0 || end < 0) throw new Error("a multipart answer that is cut short");
  const head = new TextDecoder().decode(body.subarray(start + mark.length, gap));
  const type = /^content-type:\s*(.+)$/im.exec(head)?.[1]?.trim() ?? "";
  return { bytes: body.subarray(gap + 4, end - 2), contentType: type };
}

function indexOf(body: Uint8Array, mark: Uint8Array, from: number): number {
  if (from < 0) return -1;
  for (let at = body.indexOf(mark[0]!, from); at >= 0; at = body.indexOf(mark[0]!, at + 1)) {
    if (mark.every((byte, i) => body[at + i] === byte)) return at;
  }
  return -1;
}

/** The transfer syntax that a content type names. */
export function transferSyntaxOf(contentType: string): string | undefined {
  return /transfer-syntax="?([\d.]+)"?/i.exec(contentType)?.[1];
}
