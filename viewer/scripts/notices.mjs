/** Writes the licence notices of every package whose code is in the bundle. */

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const LICENCES = join(HERE, "licences");
const ALLOWED = /^(MIT|ISC|BSD-[23]-Clause|Apache-2\.0|BSL-1\.0|0BSD|Zlib|\(MIT AND Zlib\)|\(WTFPL OR MIT\))$/;

/** The folder of the package that a module belongs to. */
export function packageOf(id) {
  const at = id.lastIndexOf("/node_modules/");
  if (at < 0) return undefined;
  const [scope, name] = id.slice(at + "/node_modules/".length).split("/");
  const inner = scope.startsWith("@") ? `${scope}/${name}` : scope;
  return join(id.slice(0, at), "node_modules", inner);
}

export function noticesOf(folders) {
  const packages = [...new Set(folders)].map((folder) => ({ folder, facts: factsOf(folder) }));
  packages.sort((a, b) => (a.facts.name < b.facts.name ? -1 : 1));
  const own = readdirSync(LICENCES)
    .filter((name) => name !== "MIT.txt")
    .sort()
    .map((name) => readFileSync(join(LICENCES, name), "utf8"));
  const parts = [HEAD, ...packages.map(({ folder, facts }) => noticeOf(folder, facts)), ...own];
  return parts.map((part) => part.trim()).join(`\n\n${"=".repeat(100)}\n\n`) + "\n";
}

const HEAD = `The image viewer of CoRead holds code of the packages below, each under its own licence.`;

function factsOf(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function noticeOf(folder, { name, version, license, author }) {
  if (!ALLOWED.test(license)) throw new Error(`${name} ${version} is under ${license}: may it ship?`);
  const file = readdirSync(folder).find((one) => /^(licen[cs]e|copying)/i.test(one));
  const text = file ? readFileSync(join(folder, file), "utf8") : plainNotice(name, license, author);
  return `${name} ${version} (${license})\n\n${text.trim()}`;
}

/** For packages that say their licence and bring no text. */
function plainNotice(name, license, author) {
  if (license !== "MIT") throw new Error(`${name} brings no licence text`);
  const holder = typeof author === "string" ? author : (author?.name ?? "the authors of " + name);
  return `Copyright (c) ${holder}\n\n${readFileSync(join(LICENCES, "MIT.txt"), "utf8")}`;
}

