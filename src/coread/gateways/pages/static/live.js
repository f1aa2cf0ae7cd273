// Live updates by server-sent events: open while the page is seen and used, back by itself when cut off.

const IDLE_MS = 10 * 60 * 1000;

/**
 * Listen to changes.
 * @param {(changed: Record<string, string[]>) => void} onChange study or object, and the kinds of events
 * @param {(state: "open" | "lost" | "paused") => void} onState
 *   paused: nobody has touched the page for long; the connection must not keep a left session alive.
 */
export function listen(onChange, onState = () => {}) {
  let source = null;
  let last = "";
  let pauseMs = 2000;
  let used = Date.now();
  let isPaused = false;

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(`/api/v1/events${last ? `?after=${encodeURIComponent(last)}` : ""}`);
    source.addEventListener("hello", (event) => {
      last = event.lastEventId || last;
      pauseMs = 2000;
      onState("open");
    });
    source.addEventListener("changed", (event) => {
      last = event.lastEventId || last;
      onChange(JSON.parse(event.data).changed);
    });
    source.addEventListener("error", () => {
      onState("lost");
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      setTimeout(open, pauseMs);
      pauseMs = Math.min(60000, pauseMs * 2);
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  function noteUse() {
    used = Date.now();
    if (!isPaused) return;
    isPaused = false;
    open();
  }

  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    window.addEventListener(kind, noteUse, { passive: true, capture: true });
  }
  setInterval(() => {
    if (source && Date.now() - used > IDLE_MS) {
      close();
      isPaused = true;
      onState("paused");
    }
  }, 15000);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}
