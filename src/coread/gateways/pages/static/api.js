// Talks to the server: JSON, forgery token, retries of what broke off, login in place when a session has ended.
import { loginAgain } from "./login_again.js";
import { t } from "./words.js";

/** A fault that the server told, or the lack of a server. */
export class Fault extends Error {
  constructor(status, body) {
    super(body.told || body.sentence || t("script.no_connection"));
    this.status = status;
    this.number = body.number ?? 0;
    this.advice = body.advice || body.remedy || "";
    this.body = body;
  }

  get isOffline() { return this.status === 0; }
}

const token = document.querySelector('meta[name="csrf-token"]');

/** Make a key that names one act for ever: the same act sent twice is done once. */
export function actKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Ask for something. */
export function get(path, options = {}) {
  return ask("GET", path, undefined, options);
}

/** Change something. `body` of a review holds revision and key; sending it again is harmless. */
export function send(method, path, body = {}, options = {}) {
  return ask(method, path, body, options);
}

const PAUSES_MS = [400, 1200, 3000];

async function ask(method, path, body, { isBackground = false, isPatient = true } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(method, path, body);
    } catch (fault) {
      if (fault.number === 1902 || fault.number === 1906) {
        if (isBackground) throw fault;
        await loginAgain(token);
        continue;
      }
      const isPassing = fault.isOffline || fault.status === 503 || fault.status === 502;
      if (!isPassing || !isPatient || attempt >= PAUSES_MS.length) throw fault;
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[attempt]));
    }
  }
}

async function once(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "Content-Type": "application/json", "X-CSRF-Token": token.content });
  let response;
  try {
    const sent = method === "GET" ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: sent, redirect: "error", cache: "no-store" });
  } catch {
    throw new Fault(0, {});
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw new Fault(response.status, await told(response));
}

async function told(response) {
  try {
    return await response.json();
  } catch {
    return { told: t("script.server_fault", { status: response.status }) };
  }
}
