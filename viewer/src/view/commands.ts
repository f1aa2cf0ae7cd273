/** What each button of the tool bar does. */

import type { App } from "../app";
import { ACTIONS, choosePreset } from "./actions";
import { helpItems, overlayItems, presetItems } from "./menu";
import type { Command } from "./shell";

export function runCommand(app: App, command: Command, button: HTMLElement): void {
  if (command === "presets") showPresets(app, button);
  else if (command === "overlays") showOverlays(app, button);
  else if (command === "help") app.menu.toggle(button, app.say("helpTitle"), helpItems(app.say), "crv-menu-wide");
  else if (command === "clear") app.toolbox.removeAll();
  else ACTIONS[command]?.(app);
  app.showState();
}

function showPresets(app: App, button: HTMLElement): void {
  const { frame } = app.active;
  if (!frame) return;
  const items = presetItems(frame.modality, app.say, (index) => {
    choosePreset(app, index);
    app.menu.close();
  });
  app.menu.toggle(button, app.say("act_presets"), items);
}

function showOverlays(app: App, button: HTMLElement): void {
  const items = overlayItems(app.book, app.say, {
    changed: () => app.redrawAbove(),
    show: (id) => app.showOverlay(id),
  });
  app.menu.toggle(button, app.say("overlaysTitle"), items);
}
