// Shows each <time datetime="..."> in the local time of the machine; the server writes UTC.
const language = document.documentElement.lang;
const sameDay = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const sameYear = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const otherYear = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Write a moment for people: the time alone where it is today. */
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return sameDay.format(at);
  return (at.getFullYear() === now.getFullYear() ? sameYear : otherYear).format(at);
}

/** Show all times within an element in local time. */
export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    if (!element.dateTime) continue;
    element.textContent = moment(element.dateTime);
    element.title = element.dateTime;
    element.dataset.local = "";
  }
}

localise(document);
