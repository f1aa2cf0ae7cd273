// The words of the page's language, as the server's catalogue has them.
const response = await fetch(document.documentElement.dataset.words);
const { language: code, texts } = await response.json();

export const language = code;

/** Say one text; {name} is filled from values. */
export function t(key, values = {}) {
  return filled(texts[key] ?? key, values);
}

/** Say one text by count. */
export function tn(key, count, values = {}) {
  const form = count === 1 && `${key}.one` in texts ? `${key}.one` : `${key}.other`;
  return filled(texts[form] ?? key, { ...values, count });
}

/** Say the word for a value of a group. */
export function w(group, value, values = {}) {
  return filled(texts[`${group}.${value}`] ?? String(value), values);
}

/** Tell whether there is a text of this key. */
export function knows(key) {
  return key in texts;
}

/** Choose the text in the page's language out of a pair; the other where there is only one. */
export function either(english, chinese) {
  return (language === "zh" ? chinese || english : english || chinese) ?? "";
}

function filled(text, values) {
  let said = text;
  for (const [name, value] of Object.entries(values)) said = said.replaceAll(`{${name}}`, String(value));
  return said;
}
