// Asking a reader to look at a place: which readers can be asked, the question, and what waits for an answer.
import { announce, h } from "../dom.js";
import { moment } from "../times.js";
import { either, t, w } from "../words.js";
import { bannerFault, unbanner } from "./banners.js";

/** Show whom one can ask, and the questions without an answer. */
export function askingBlock(review, room) {
  const open = review.asked.filter((place) => place.state !== "answered");
  const mayAsk = room.store.mayDecide && !room.store.isGone && review.askable.length;
  if (!mayAsk && !open.length) return null;
  return h("section.block.asking", { "aria-labelledby": "asking-title" },
    h("h2", { id: "asking-title" }, t("script.ask_reader_title")),
    mayAsk ? h("div.button-row", {}, review.askable.map((reader, at) => askButton(reader, at, room))) : null,
    mayAsk ? h("p.small.muted", {}, t("script.ask_reader_lead")) : null,
    open.length ? h("ul.stack", {}, open.map((place) => placeLine(place, review, room))) : null);
}

function askButton(reader, at, room) {
  const name = either(reader.title, reader.title_zh);
  const attributes = { type: "button", data: { reader: reader.name }, onclick: () => ask(room, reader.name) };
  if (at === 0) attributes["aria-keyshortcuts"] = "n";
  return h("button.button.ask-reader", attributes, t("script.ask_reader", { name }), at === 0 ? h("kbd", {}, "n") : null);
}

function placeLine(place, review, room) {
  const reader = review.askable.find((one) => one.name === place.reader);
  const name = reader ? either(reader.title, reader.title_zh) : place.reader;
  const where = room.viewing.imageName(place.prompt.image.sop_instance_uid);
  const who = place.person_id ? room.nameOf(place.person_id) : t("script.asked_by_mark");
  const said = [where, t("script.by_at", { name: who, at: moment(place.asked_at) })];
  return h(`li.reading.asked-${place.state}`, { role: "status" },
    h("div.row", {}, h("span.tag.ai", {}, "AI"), h("span.strong", {}, name), h("span.tag.plain.push", {}, w("asked_state", place.state))),
    h("p.muted.small", {}, said.filter(Boolean).join(" · ")));
}

/** Let the doctor point or draw, and ask. */
export async function ask(room, name) {
  const { store, viewing } = room;
  const reader = store.review.askable.find((one) => one.name === name) ?? store.review.askable[0];
  if (!reader || !store.mayDecide) return;
  const drawn = await viewing.drawPlace(reader);
  if (!drawn) return;
  const place = drawn.box ? { box: drawn.box } : { point: drawn.point };
  try {
    await store.act("POST", "asked", { reader: reader.name, sop_instance_uid: drawn.sopInstanceUid, frame: drawn.frame, ...place });
    unbanner("asked");
    announce(t("script.asked_reader", { name: either(reader.title, reader.title_zh) }));
  } catch (fault) {
    bannerFault("asked", fault);
  }
}

/** Give the first finding that came as an answer to one's own question since an earlier state; empty for none. */
export function answerTo(before, review, personId) {
  const waited = new Set(before.asked.filter((place) => place.state === "waiting" && place.person_id === personId).map((place) => place.uid));
  const answered = review.asked.filter((place) => place.state === "answered" && waited.has(place.uid)).map((place) => place.reading_uid);
  return review.findings.find((panel) => answered.includes(panel.reading_uid))?.finding_uid ?? "";
}
