/** The viewer's door: it asks for the first image at once and lets everything else follow. */

import { fetchEarly } from "./first";
import { speaker } from "./text/catalogue";
import type { Language, Viewer, ViewerConfig } from "./types";
import { keyList } from "./view/keys";
import { Shell } from "./view/shell";

export type * from "./types";

/** Put a viewer into `element`, which it fills. */
export async function mount(element: HTMLElement, config: ViewerConfig): Promise<Viewer> {
  const started = performance.now();
  const shell = new Shell(element);
  shell.translate(speaker(config.language));
  shell.onPicture(() => config.onEvent?.({ type: "placeholder", ms: performance.now() - started }));
  const early = fetchEarly(config, shell.hasPicture ? undefined : (url) => shell.showPicture(url));
  const { App } = await import("./app");
  const app = new App(shell, config, early, started);
  await app.start();
  return app;
}

/** The viewer's keys and what they do, for a page's own list. */
export function keys(language: Language): { keys: string; text: string }[] {
  return keyList(speaker(language));
}
