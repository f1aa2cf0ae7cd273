/** Proves that what ships is what the source builds: builds anew and compares every byte. */

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildInto } from "./build.mjs";

const SHIPPED = resolve(dirname(fileURLToPath(import.meta.url)), "../../src/coread/gateways/pages/static/viewer");
const fresh = mkdtempSync(join(tmpdir(), "coread-viewer-"));
try {
  await buildInto(fresh);
  const [here, there] = [SHIPPED, fresh].map((folder) => readdirSync(folder).sort());
  const names = [...new Set([...here, ...there])];
  const different = names.filter(
    (name) =>
      !here.includes(name) ||
      !there.includes(name) ||
      !readFileSync(join(SHIPPED, name)).equals(readFileSync(join(fresh, name))),
  );
  if (different.length > 0) {
    console.error(`What ships is not what the source builds: ${different.join(", ")}. Run "npm run build".`);
    process.exitCode = 1;
  } else {
    console.log(`${names.length} files as built from source.`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
