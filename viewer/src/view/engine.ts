/** Cornerstone, started once for the page. Slices are drawn by its CPU path: measured faster than WebGL without a GPU. */

import { Enums, RenderingEngine, cache, getConfiguration, setUseCPURendering } from "@cornerstonejs/core";
import { teachCornerstone } from "../study/store";

let engine: RenderingEngine | undefined;
let count = 0;

export function sharedEngine(cacheMb: number): RenderingEngine {
  if (engine) return engine;
  // Said before anything is built: probing a software WebGL for what it can do takes longer than the first image.
  setUseCPURendering(true, false);
  getConfiguration().rendering!.webGlContextCount = 1;
  getConfiguration().rendering!.planar!.renderBackend = Enums.RenderBackends.CPU;
  // What is kept is bounded by the frame store; this is the wall behind it.
  cache.setMaxCacheSize((cacheMb + 256) * 1024 * 1024);
  teachCornerstone();
  engine = new RenderingEngine("coread");
  return engine;
}

export function newId(): string {
  count += 1;
  return `coread-${count}`;
}
