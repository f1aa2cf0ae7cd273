/** Line drawings of the tool bar, 24 x 24. */

import { svg } from "./dom";

const PATHS = {
  window: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  zoom: "M10 4a6 6 0 1 0 0 12a6 6 0 0 0 0-12M14.5 14.5L20 20M7.5 10h5M10 7.5v5",
  pan: "M12 3v18M3 12h18M12 3l-2.5 2.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5",
  length: "M4 20L20 4M4 20l1-4M4 20l4-1M20 4l-1 4M20 4l-4 1",
  angle: "M20 19H4L17 5M11 19a8 8 0 0 0-2.3-5",
  ellipse: "M12 6a9 6 0 1 0 0 12a9 6 0 0 0 0-12",
  probe: "M12 3v6M12 15v6M3 12h6M15 12h6M12 11.5v1",
  magnifier: "M10 4a6 6 0 1 0 0 12a6 6 0 0 0 0-12M14.5 14.5L20 20",
  invert: "M4 4h16v16H4zM4 20L20 4M7 8h5M9.5 5.7v4.6M13 17h4",
  flipHorizontal: "M12 3v18M9 6L4 18h5zM15 6l5 12h-5z",
  flipVertical: "M3 12h18M6 9L18 4v5zM6 15l12 5v-5z",
  rotate: "M19 12a7 7 0 1 1-2.2-5.1M17 3v4h-4",
  reset: "M5 12a7 7 0 1 0 2.2-5.1M7 3v4h4M12 9v3l2 2",
  cine: "M8 5l11 7l-11 7z",
  cineStop: "M7 6h10v12H7z",
  overlays: "M12 4l9 5l-9 5l-9-5zM3 14l9 5l9-5",
  compare: "M3 5h8v14H3zM13 5h8v14h-8z",
  mpr: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  presets: "M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h11M19 17h1M17 15v4",
  clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v6M14 11v6",
  help: "M9 9a3 3 0 1 1 4 2.8c-.8.4-1 1-1 2.2M12 17.5v.5M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18",
};

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGElement {
  const path = svg("path", { d: PATHS[name] });
  return svg("svg", { viewBox: "0 0 24 24", class: "crv-icon", "aria-hidden": "true", focusable: "false" }, path);
}
