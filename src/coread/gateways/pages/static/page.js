// Every page: local times, menus that close, forms that ask before they do what cannot be undone.
import "./times.js";

for (const menu of document.querySelectorAll("details[data-menu]")) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", async (event) => {
    if (form.dataset.sure) return;
    event.preventDefault();
    const { confirmed } = await import("./dialogs.js");
    const action = form.querySelector("button").textContent;
    if (!await confirmed({ title: action, text: form.dataset.confirm, action, isDangerous: true })) return;
    form.dataset.sure = "yes";
    form.requestSubmit();
  });
}

// What is kept for one person is none of another's: it goes at the logout, and when somebody else comes.
const keptFor = document.documentElement.dataset.person;
for (const name of Object.keys(sessionStorage)) {
  const owner = /^coread\.draft\.([^.]+)\./.exec(name)?.[1];
  if (owner && keptFor && owner !== keptFor) sessionStorage.removeItem(name);
}
document.querySelector('form[action="/logout"]')?.addEventListener("submit", () => {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith("coread.")) sessionStorage.removeItem(name);
});

// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
}
