/** All overlays of the page, and which of them are shown. */

import type { Overlay, OverlayKind } from "../types";

export class OverlayBook {
  private overlays: Overlay[] = [];
  private byImage = new Map<string, Overlay[]>();
  private readonly hidden = new Set<string>();
  private readonly given = new Map<string, boolean>();
  opacity = 0.85;
  /** The switch of the whole layer, key q. */
  isOn = true;
  highlighted: string | undefined;

  set(overlays: Overlay[]): void {
    this.overlays = overlays.filter(isSound);
    this.byImage = grouped(this.overlays);
    for (const { id, visible = true } of this.overlays) {
      // What the page says anew goes before what was switched here; what it merely repeats does not.
      if (this.given.get(id) !== visible) this.setVisible(id, visible);
      this.given.set(id, visible);
    }
  }

  get all(): readonly Overlay[] {
    return this.overlays;
  }

  get(id: string): Overlay | undefined {
    return this.overlays.find((overlay) => overlay.id === id);
  }

  /** What is shown over a frame now. A highlighted one is shown whatever is switched off. */
  on(sopInstanceUid: string, frame: number): Overlay[] {
    const here = this.byImage.get(`${sopInstanceUid}/${frame}`) ?? [];
    return here.filter((overlay) => overlay.id === this.highlighted || (this.isOn && this.isVisible(overlay)));
  }

  isVisible({ id, kind }: Overlay): boolean {
    return !this.hidden.has(id) && !this.hidden.has(kind);
  }

  isKindVisible(kind: OverlayKind): boolean {
    return !this.hidden.has(kind);
  }

  setVisible(idOrKind: string, on: boolean): void {
    if (on) this.hidden.delete(idOrKind);
    else this.hidden.add(idOrKind);
    if (on && this.overlays.some(({ kind }) => kind === idOrKind)) this.isOn = true;
  }

  kinds(): OverlayKind[] {
    return [...new Set(this.overlays.map(({ kind }) => kind))];
  }
}

function imageKey({ sopInstanceUid, frame }: Overlay): string {
  return `${sopInstanceUid}/${frame}`;
}

function grouped(overlays: Overlay[]): Map<string, Overlay[]> {
  const groups = new Map<string, Overlay[]>();
  for (const overlay of overlays) groups.set(imageKey(overlay), [...(groups.get(imageKey(overlay)) ?? []), overlay]);
  return groups;
}

/** Whether an overlay says where it lies; one that does not cannot be drawn. */
export function isSound(overlay: Overlay): boolean {
  const { kind, box, outline, heatMap, seg } = overlay;
  if (kind === "box") return box !== undefined && [box.left_px, box.top_px, box.width_px, box.height_px].every(Number.isFinite);
  if (kind === "outline") return (outline?.length ?? 0) > 1 && outline!.every((point) => point.every(Number.isFinite));
  if (kind === "heat-map") return heatMap !== undefined && heatMap.rows > 0 && heatMap.columns > 0;
  return kind === "seg" && seg !== undefined;
}
