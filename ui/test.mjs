// Runs the tests beside the sources, src/**/*.test.ts, with the test runner of Node: node test.mjs
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const OUTPUT = path.join(ROOT, ".test");

const names = await readdir(path.join(ROOT, "src"), { recursive: true });
const tests = names.filter((name) => /\.test\.tsx?$/.test(name)).map((name) => path.join("src", name));
if (tests.length === 0) {
  console.log("test: there are no tests in src/");
  process.exit(0);
}
await rm(OUTPUT, { recursive: true, force: true });
await esbuild.build({
  absWorkingDir: ROOT,
  entryPoints: tests,
  outdir: OUTPUT,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { WORKER_URL: '""' },
  sourcemap: "inline",
  logLevel: "warning",
});
const built = (await readdir(OUTPUT, { recursive: true })).filter((name) => name.endsWith(".test.mjs"));
const files = built.map((name) => path.join(OUTPUT, name));
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
