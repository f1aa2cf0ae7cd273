// The signs in the head of the page: state, who works on it, whether images are still coming.
import { fill, h } from "../dom.js";
import { t, w } from "../words.js";

const place = document.getElementById("signs");

/** Draw the signs. */
export function drawSigns(store, liveState) {
  const { review } = store;
  const lock = review.lock;
  fill(place,
    h(`span.tag.state-${review.state}`, {}, w("case_state", review.state)),
    lock ? h("span.tag.doctor", {}, lock.is_mine ? t("script.lock_mine") : t("script.lock_other", { name: lock.person_name })) : null,
    review.is_growing ? h("span.tag.warn", {}, t("script.growing")) : null,
    review.is_teaching_case ? h("span.tag.plain", {}, t("script.teaching")) : null,
    review.mode === "concurrent" ? null : h("span.tag.ai", {}, w("mode", review.mode)),
    liveState === "lost" ? h("span.tag.bad", {}, t("script.live_lost")) : null);
}
