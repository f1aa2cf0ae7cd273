// Shows each <time datetime="..."> in the local time of the machine; the server writes UTC.
const language = document.documentElement.lang;
const sameDay = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const otherDay = new Intl.DateTimeFormat(language, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

/** Write a moment for people: the time alone where it is today. */
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return (at.toDateString() === new Date().toDateString() ? sameDay : otherDay).format(at);
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
