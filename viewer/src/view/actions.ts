/** What each key does. */

import type { App } from "../app";
import type { Action } from "./keys";
import { presetsOf } from "./presets";

const PAN_STEP_PX = 40;
const ZOOM_STEP = 1.2;
const FADES = [0.85, 0.5, 0.25, 1];


/** Run the action of a key press; false where the key is the page's after all. */
export function runAction(app: App, action: Action, event: KeyboardEvent): boolean {
  if (event.key.startsWith("Arrow") && moveTool(app, event)) return true;
  const act = ACTIONS[action];
  if (act) return act(app) !== false;
  if (action.startsWith("preset")) return choosePreset(app, Number(action.slice(6)) - 1);
  return false;
}

/** Arrow keys belong to a tool that is at work: one pixel of the screen, ten with Shift. */
function moveTool(app: App, event: KeyboardEvent): boolean {
  const step = event.shiftKey ? 10 : 2;
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  return app.toolbox.move(x! * step, y! * step);
}

export function choosePreset(app: App, index: number): boolean {
  const { image, frame } = app.active;
  const preset = frame && presetsOf(frame.modality)[index];
  if (!preset || !image) return false;
  const window = preset.window(image, app.active.shownWindow);
  for (const pane of app.mpr ? [app.active] : app.panes) pane.setWindow(window);
  app.mpr?.setWindow(window ?? image.headerLook.window);
  return true;
}

function scrollBy(steps: number) {
  return (app: App) => (app.mpr ? app.mpr.scroll(steps) : void app.scroll(app.active, app.active.index + steps));
}

function onPane(act: (pane: App["active"]) => void) {
  return (app: App) => {
    if (app.mpr) return false;
    act(app.active);
    app.comparison?.viewChanged(app.active);
    return true;
  };
}

export const ACTIONS: Partial<Record<Action, (app: App) => unknown>> = {
  next: scrollBy(1),
  previous: scrollBy(-1),
  pageNext: scrollBy(10),
  pagePrevious: scrollBy(-10),
  first: scrollBy(-Infinity),
  last: scrollBy(Infinity),
  cine: (app) => !app.mpr && app.cine.toggle(app.active),
  window: (app) => void app.toolbox.take("window"),
  zoom: (app) => void app.toolbox.take("zoom"),
  pan: (app) => void app.toolbox.take("pan"),
  length: (app) => void app.toolbox.take("length"),
  angle: (app) => void app.toolbox.take("angle"),
  ellipse: (app) => void app.toolbox.take("ellipse"),
  probe: (app) => void app.toolbox.take("probe"),
  magnifier: (app) => void app.toolbox.take("magnifier"),
  zoomIn: onPane((pane) => pane.zoomBy(ZOOM_STEP)),
  zoomOut: onPane((pane) => pane.zoomBy(1 / ZOOM_STEP)),
  panLeft: onPane((pane) => pane.panBy(-PAN_STEP_PX, 0)),
  panRight: onPane((pane) => pane.panBy(PAN_STEP_PX, 0)),
  panUp: onPane((pane) => pane.panBy(0, -PAN_STEP_PX)),
  panDown: onPane((pane) => pane.panBy(0, PAN_STEP_PX)),
  invert: onPane((pane) => pane.toggleInvert()),
  flipHorizontal: onPane((pane) => pane.flip("horizontal")),
  flipVertical: onPane((pane) => pane.flip("vertical")),
  rotate: onPane((pane) => pane.rotate()),
  reset: (app) => (app.mpr ? app.mpr.reset() : app.active.reset()),
  deleteLast: (app) => app.toolbox.removeLast(),
  setPoint: (app) => app.toolbox.setPoint(),
  overlays: toggleOverlays,
  fade: fadeOverlays,
  compare: (app) => void app.toggleCompare(),
  mpr: (app) => void app.toggleMpr(),
  nextSeries: (app) => app.stepSeries(1),
  previousSeries: (app) => app.stepSeries(-1),
  escape,
};

function toggleOverlays(app: App): void {
  app.book.isOn = !app.book.isOn;
  app.redrawAbove();
}

function fadeOverlays(app: App): void {
  const now = FADES.findIndex((value) => Math.abs(value - app.book.opacity) < 0.01);
  app.setOverlayOpacity(FADES[(now + 1) % FADES.length]!);
}

function escape(app: App): boolean {
  if (app.toolbox.escape()) return true;
  if (app.cine.isPlaying) app.cine.stop();
  else if (app.mpr) app.leaveMpr();
  else if (app.comparison) void app.toggleCompare();
  else return false;
  return true;
}

