// Builds the page into aggregator/server/http/page/, from where the gateway serves it at /ui.
//
//   node build.mjs [--development]
//
// The names of built files contain a digest of their content, so that browsers may keep them. `manifest.json` lists
// them with their sizes. A build for development is not minified and has source maps.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
export const OUTPUT = path.resolve(ROOT, "../aggregator/server/http/page");
const BASE_PATH = "/ui/";
const LICENSE_FILE_NAME = /^(licen[cs]e|copying|notice)/i;

/** Write the page to OUTPUT, which it replaces when everything is built; return the manifest. */
export async function build({ isDevelopment }) {
  const work = `${OUTPUT}.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(path.join(work, "assets"), { recursive: true });
  try {
    const options = { ...commonOptions(isDevelopment), outdir: path.join(work, "assets") };
    const worker = await esbuild.build({ ...options, entryPoints: { worker: "src/data/worker.ts" } });
    const page = await esbuild.build({
      ...options,
      entryPoints: { main: "src/main.tsx", styles: "src/styles/main.css" },
      splitting: true,
      chunkNames: "[name]-[hash]",
      define: { ...options.define, WORKER_URL: JSON.stringify(BASE_PATH + findOutput(worker, work, "worker.ts")) },
    });
    const icon = await copyWithDigest("icon.svg", work);
    const names = {
      icon,
      script: findOutput(page, work, "main.tsx"),
      styles: findOutput(page, work, "main.css"),
    };
    await writeFile(path.join(work, "index.html"), await renderShell(names));
    await writeFile(path.join(work, "licenses.txt"), await renderLicenses([worker, page]));
    const manifest = await describeFiles(work);
    await writeFile(path.join(work, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(OUTPUT, { recursive: true, force: true });
    await rename(work, OUTPUT);
    return manifest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function commonOptions(isDevelopment) {
  return {
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    target: ["chrome123", "firefox121", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    minify: !isDevelopment,
    sourcemap: isDevelopment,
    // They are in licenses.txt, whole.
    legalComments: "none",
    charset: "utf8",
    metafile: true,
    define: { "process.env.NODE_ENV": JSON.stringify(isDevelopment ? "development" : "production") },
    logLevel: "warning",
  };
}

/** Return the name of what was built from an entry point, relative to the page. */
function findOutput(result, work, entryPoint) {
  const outputs = Object.entries(result.metafile.outputs);
  const [name] = outputs.find(([, output]) => output.entryPoint && path.basename(output.entryPoint) === entryPoint);
  return path.relative(work, path.resolve(ROOT, name));
}

async function copyWithDigest(name, work) {
  const content = await readFile(path.join(ROOT, "static", name));
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const { name: stem, ext } = path.parse(name);
  const copy = `assets/${stem}-${digest}${ext}`;
  await writeFile(path.join(work, copy), content);
  return copy;
}

async function renderShell(names) {
  const template = await readFile(path.join(ROOT, "static/index.html"), "utf8");
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, key) => {
    if (!(key in names)) {
      throw new Error(`static/index.html: unknown name ${key}`);
    }
    return BASE_PATH + names[key];
  });
}

/** Return the licenses of all packages that have code in the bundles. */
async function renderLicenses(results) {
  const inputs = results.flatMap((result) => Object.keys(result.metafile.inputs));
  const names = inputs.map((input) => input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean);
  const sections = await Promise.all([...new Set(names)].sort().map(renderLicense));
  return `The page contains code of these packages.\n\n${sections.join("\n")}`;
}

async function renderLicense(name) {
  const folder = path.join(ROOT, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) => LICENSE_FILE_NAME.test(file)).sort();
  if (files.length === 0) {
    throw new Error(`${name} ${version} has no license file`);
  }
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return `--- ${name} ${version} (${license})\n\n${texts.map((text) => text.trim()).join("\n\n")}\n`;
}

/** Return the manifest: all files with their sizes, in bytes, as they are and compressed. */
async function describeFiles(work) {
  const names = (await readdir(work, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(work, path.join(entry.parentPath ?? entry.path, entry.name)));
  const files = {};
  for (const name of names.sort()) {
    const content = await readFile(path.join(work, name));
    files[name] = { bytes: content.length, gzipBytes: gzipSync(content, { level: 9 }).length };
  }
  return { files };
}

function printSizes({ files }) {
  for (const [name, { bytes, gzipBytes }] of Object.entries(files)) {
    console.log(`${String(bytes).padStart(9)} ${String(gzipBytes).padStart(8)} gzip  ${name}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!existsSync(path.join(ROOT, "node_modules"))) {
    console.error("build: node_modules is missing: run `npm ci` first");
    process.exit(1);
  }
  printSizes(await build({ isDevelopment: process.argv.includes("--development") }));
}
