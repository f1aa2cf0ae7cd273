// The page of responsibilities: every proof made again by this browser, from the facts up to the root shown.
import "./page.js";
import { fill, h } from "./dom.js";
import { t, tn } from "./words.js";

const place = document.getElementById("checked");
const button = document.getElementById("check-here");
const encoder = new TextEncoder();

const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
const node = (left, right) => sha256(Uint8Array.of(1), left, right);

async function hmac(salt, data) {
  const key = await crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
}

/** JSON in its one form: keys sorted, nothing between. */
function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const parts = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${parts.join(",")}}`;
}

async function leafOf(event) {
  const { actor, at, facts, kind } = event;
  if (event.form === "1") return { actor, at, facts, key: event.key, kind, subject: event.subject };
  if (event.private !== null) {
    const made = hex(await hmac(bytes(event.salt), encoder.encode(canonical(event.private))));
    if (made !== event.commitment) return null;
  }
  return { actor, at, facts, form: "2", kind, private: event.commitment, sequence: event.sequence };
}

/** Walk from the leaf to the root (RFC 9162 section 2.1.3.2). */
async function leadsTo(root, proof) {
  const leaf = await leafOf(proof.event);
  if (!leaf) return false;
  let result = await sha256(Uint8Array.of(0), encoder.encode(canonical(leaf)));
  let index = Number(proof.event.sequence) - 1, last = Number(proof.size) - 1;
  const up = () => { index = Math.floor(index / 2); last = Math.floor(last / 2); };
  for (const step of proof.path) {
    if (last === 0) return false;
    if (index % 2 || index === last) {
      result = await node(bytes(step), result);
      while (index && index % 2 === 0) up();
    } else {
      result = await node(result, bytes(step));
    }
    up();
  }
  return last === 0 && hex(result) === root;
}

async function check() {
  const answer = await fetch(button.dataset.proofs, { headers: { Accept: "application/x-ndjson" } });
  if (!answer.ok) throw new Error(t("script.proofs_unavailable"));
  const proofs = (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const bad = [];
  for (const proof of proofs) {
    if (!await leadsTo(button.dataset.root, proof)) bad.push(proof.event.sequence);
  }
  const good = proofs.length - bad.length;
  const isGood = bad.length === 0 && good === document.querySelectorAll("tr[data-sequence]").length;
  fill(place, h(`div.message.${isGood ? "good" : "bad"}`, {}, h("p.strong", {}, tn("script.proofs_made", good)),
    bad.length ? h("p.mono", {}, bad.join(", ")) : null));
}

button?.addEventListener("click", async () => {
  button.disabled = true;
  try {
    if (!globalThis.crypto?.subtle) throw new Error(t("script.proofs_insecure"));
    await check();
  } catch (fault) {
    fill(place, h("div.message.bad", {}, h("p", {}, fault.message)));
  } finally {
    button.disabled = false;
  }
});
