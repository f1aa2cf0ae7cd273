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

/** Style attributes are forbidden by the page's content security policy; the same by script is not. */
function styleByScript(): Plugin {
  const attribute = "textElement.setAttribute('style', combinedStyle)";
  return {
    name: "style-by-script",
    transform(code, id) {
      if (!id.endsWith("/drawingSvg/drawTextBox.js")) return undefined;
      if (!code.includes(attribute)) throw new Error("drawTextBox has changed: see styleByScript in vite.config.ts");
      return code.replace(attribute, "textElement.style.cssText = combinedStyle");
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [leaveOut(), styleByScript()],
  worker: {
    format: "es",
    plugins: () => [leaveOut()],
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
