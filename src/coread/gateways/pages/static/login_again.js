// Login in place: a session has ended, the page and all that is typed in it stay.
import { openDialog } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { t } from "./words.js";

let waiting = null;

/** Let the person log in again; resolves when there is a session of the same person, with its token in the page. */
export function loginAgain(token) {
  waiting ??= freshToken(token).then((is) => (is ? undefined : asked(token))).finally(() => { waiting = null; });
  return waiting;
}

/** Take the token of a session that another window may have opened; false where there is none. */
async function freshToken(token) {
  const response = await fetch("/api/v1/session", { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok) return false;
  const session = await response.json();
  const person = document.documentElement.dataset.person;
  if (session.person.id !== person) {
    // Somebody else is logged in here now: nothing may be done in the former person's name.
    window.location.reload();
    return new Promise(() => {});
  }
  const isNew = token.content !== session.csrf;
  token.content = session.csrf;
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = session.csrf;
  return isNew;
}

function asked(token) {
  return new Promise((resolve) => {
    const login = h("input", { id: "again-login", name: "login", autocomplete: "username", required: true, value: document.documentElement.dataset.login ?? "" });
    const password = h("input", { id: "again-password", name: "password", type: "password", autocomplete: "current-password", required: true });
    const code = h("input", { id: "again-code", name: "code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 8 });
    const codeField = h("div.field", { hidden: true }, h("label", { for: "again-code" }, t("script.sign_totp")), code);
    const problem = h("p.fault-text", { role: "alert", hidden: true });
    const submit = h("button.button.primary", { form: "again-form" }, t("script.login"));
    const elsewhere = h("a.button", { href: "/login?next=/login/done", target: "_blank", rel: "noopener" }, t("script.login_elsewhere"));
    const form = h("form.form", { id: "again-form", onsubmit: send },
      h("div.field", {}, h("label", { for: "again-login" }, t("script.login_name")), login),
      h("div.field", {}, h("label", { for: "again-password" }, t("script.sign_password")), password), codeField, problem);
    const dialog = openDialog({ title: t("script.session_ended"), body: [h("p", {}, t("script.session_ended_lead")), form], actions: [elsewhere, submit], isStaying: true });
    (login.value ? password : login).focus();

    async function send(event) {
      event.preventDefault();
      submit.disabled = true;
      problem.hidden = true;
      const outcome = await post({ login: login.value, password: password.value, totp: code.value });
      submit.disabled = false;
      if (outcome === "in") {
        await freshToken(token);
        dialog.close();
        resolve();
        return;
      }
      if (outcome === "totp" && codeField.hidden) {
        codeField.hidden = false;
        code.required = true;
        code.focus();
        return;
      }
      problem.hidden = false;
      fill(problem, outcome === "totp" ? t("script.login_failed") : outcome);
      password.select();
    }

    // A login in another window counts too.
    window.addEventListener("focus", async function look() {
      if (!dialog.isConnected) {
        window.removeEventListener("focus", look);
      } else if (await freshToken(token)) {
        dialog.close();
        resolve();
      }
    });
  });
}

/** Log in; "in", "totp" where a code is due, else what is wrong. */
async function post(words) {
  try {
    const response = await fetch("/api/v1/login", {
      method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify(words), cache: "no-store", redirect: "error",
    });
    if (response.ok) return "in";
    const told = await response.json();
    return told.needs === "totp" ? "totp" : told.told || told.sentence || t("script.login_failed");
  } catch {
    return t("script.no_connection");
  }
}
