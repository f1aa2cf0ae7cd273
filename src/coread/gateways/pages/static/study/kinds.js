// Kinds of boxes, cells for one: each in a colour of its own, counted.

/** Told apart by people of every colour vision (Okabe and Ito 2008), without black. */
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#ffffff"];

/** More boxes than these bear no words in the image: they would hide it. */
export const MOST_NAMED = 12;

/** Give the colour of a box's kind; undefined where the reader tells no kinds apart. */
export function colourOfKind(box, boxes) {
  if (!box.label) return undefined;
  const values = [...new Set(boxes.map((one) => one.label?.value).filter(Boolean))].sort();
  return COLOURS[values.indexOf(box.label.value) % COLOURS.length];
}

/** List the kinds with their colour and how many there are, the most frequent first. */
export function kindsOf(boxes) {
  const kinds = new Map();
  for (const box of boxes) {
    if (!box.label) continue;
    const held = kinds.get(box.label.value) ?? { code: box.label, colour: colourOfKind(box, boxes), count: 0 };
    kinds.set(box.label.value, { ...held, count: held.count + 1 });
  }
  return [...kinds.values()].sort((a, b) => b.count - a.count);
}
