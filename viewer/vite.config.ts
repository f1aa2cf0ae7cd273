import { fileURLToPath } from "node:url";
import { type Plugin, defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const lean = (name: string) => here(`src/lean/${name}.ts`);

/** What Cornerstone imports and the viewer never reaches is left out of the bundle. */
const LEFT_OUT: [RegExp, string][] = [
  [/^dcmjs$/, lean("dcmjs")],
  [/^xmlbuilder2$/, lean("xmlbuilder2")],
  [/\/decodeJPEGXL\.js$/, lean("codec")],
  [/\/decodeJPEGBaseline8Bit\.js$/, lean("codec")],
];

function leaveOut(): Plugin {
  return {
    name: "leave-out",
    enforce: "pre",
    resolveId(id) {
      if (/\/WebGPU\/RenderWindow(\.js)?$/.test(id)) return lean("webgpu");
      return LEFT_OUT.find(([pattern]) => pattern.test(id))?.[1];
    },
  };
}

const NAMES = {
  entryFileNames: "[name]-[hash].js",
  chunkFileNames: "[name]-[hash].js",
  assetFileNames: "[name]-[hash][extname]",
};

interface Repair {
  file: RegExp;
  find: string | RegExp;
  put: string;
}

/** Where what the packages hold does not do; the build stops if a package has changed there. */
const REPAIRS: Repair[] = [
  {
    // Style attributes are forbidden by the page's content security policy; the same by script is not.
    file: /\/drawingSvg\/drawTextBox\.js$/,
    find: "textElement.setAttribute('style', combinedStyle)",
    put: "textElement.style.cssText = combinedStyle",
  },
  {
    // The level shift of 12-bit JPEG (ITU-T T.81 A.3.1) is scaled by 4095/255 instead of 4096/256: all values 15 too high.
    file: /\/codecs\/jpeg\.js$/,
    find: /q =\s+q <= -2056[^;]+;/,
    put: `const top = Math.round(255 / component.bitConversion);
          q = Math.max(0, Math.min(top, (q + (top + 1) * 8 + 8) >> 4));`,
  },
  // A decoder that is used again still holds the former image, and gives it out where the next one cannot be read.
  {
    file: /\/decoders\/decodeJPEG2000\.js$/,
    find: "const decoder = local.decoder;",
    put: "local.decoder?.delete(); const decoder = (local.decoder = new local.codec.J2KDecoder());",
  },
  {
    file: /\/decoders\/decodeJPEGLS\.js$/,
    find: "const decoder = local.decoder;",
    put: "local.decoder?.delete(); const decoder = (local.decoder = new local.codec.JpegLSDecoder());",
  },
  {
    // One for each frame, and none ever given back.
    file: /\/decoders\/decodeHTJ2K\.js$/,
    find: "const decoder = new local.codec.HTJ2KDecoder();",
    put: "local.decoder?.delete(); const decoder = (local.decoder = new local.codec.HTJ2KDecoder());",
  },
];

function repair(): Plugin {
  return {
    name: "repair",
    transform(code, id) {
      const wanted = REPAIRS.filter(({ file }) => file.test(id));
      if (wanted.length === 0) return undefined;
      return wanted.reduce((text, { find, put }) => {
        const repaired = text.replace(find, put);
        if (repaired === text) throw new Error(`${id} has changed: see REPAIRS in vite.config.ts`);
        return repaired;
      }, code);
    },
  };
}

/** Tells the build script which modules are in the bundle, for their licence notices. */
function witness(): Plugin {
  const seen = (globalThis as { coreadModules?: Set<string> }).coreadModules;
  return {
    name: "witness",
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === "chunk") for (const id of Object.keys(chunk.modules)) seen?.add(id);
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [leaveOut(), repair(), witness()],
  worker: {
    format: "es",
    plugins: () => [leaveOut(), repair(), witness()],
    rolldownOptions: { output: NAMES },
  },
  resolve: {
    alias: {
      events: here("node_modules/events/events.js"),
      "cornerstone-decoders": here("node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js"),
    },
  },
  build: {
    target: "es2022",
    outDir: here("../src/coread/gateways/pages/static/viewer"),
    emptyOutDir: true,
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
    rolldownOptions: {
      input: { "coread-viewer": here("src/index.ts") },
      preserveEntrySignatures: "strict",
      output: { ...NAMES, entryFileNames: "[name].js" },
    },
  },
});
