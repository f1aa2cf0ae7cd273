/**
 * Builds the bundle, its licence notices and the list of what it was built from.
 *
 *     node scripts/build.mjs [--out FOLDER]
 *
 * The same source and lockfile give the same bytes.
 */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { noticesOf, packageOf } from "./notices.mjs";

const VIEWER = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const SHIPPED = resolve(VIEWER, "../src/coread/gateways/pages/static/viewer");
const SOURCES = ["package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "src", "scripts"];

/** Build into a folder, which is emptied first. */
export async function buildInto(out) {
  rmSync(out, { recursive: true, force: true });
  const modules = new Set();
  globalThis.coreadModules = modules;
  await build({ root: VIEWER, configFile: join(VIEWER, "vite.config.ts"), logLevel: "warn", build: { outDir: out } });
  const folders = [...modules].map(packageOf).filter((folder) => folder !== undefined);
  writeFileSync(join(out, "NOTICES.txt"), noticesOf(folders));
  const manifest = { sources: digestsOf(VIEWER, SOURCES), files: digestsOf(out, readdirSync(out)) };
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
}

function digestsOf(root, names) {
  const files = names.flatMap((name) => filesOf(join(root, name))).map((path) => relative(root, path));
  return Object.fromEntries(files.sort().map((path) => [path, sha256(join(root, path))]));
}

function filesOf(path) {
  try {
    return readdirSync(path).flatMap((name) => filesOf(join(path, name)));
  } catch (error) {
    if (error.code === "ENOTDIR") return [path];
    throw error;
  }
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--out");
  await buildInto(at > 0 ? resolve(process.argv[at + 1]) : SHIPPED);
}
