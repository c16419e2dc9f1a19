// Serves the page from memory and everything else from a gateway, and builds again when a source changes:
//
//   node dev.mjs [--port 8090] [--gateway http://127.0.0.1:8080]
//
// Reload the page in the browser after a change. Policies and caching are not those of the gateway.
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";
import { build, OUTPUT } from "./build.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8090" },
    gateway: { type: "string", default: "http://127.0.0.1:8080" },
  },
});
const CONTENT_TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** Build whenever a source changes. The context is only used to watch; `build` writes the files. */
async function watch() {
  const rebuild = {
    name: "rebuild",
    setup(api) {
      api.onEnd(async ({ errors }) => {
        if (errors.length === 0) {
          await build({ isDevelopment: true });
          console.log(`${new Date().toLocaleTimeString()} built`);
        }
      });
    },
  };
  const context = await esbuild.context({
    entryPoints: ["src/main.tsx", "src/data/worker.ts", "src/styles/main.css"],
    bundle: true,
    write: false,
    outdir: ".",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { WORKER_URL: '""' },
    logLevel: "warning",
    plugins: [rebuild],
  });
  await context.watch();
}

async function servePage(name, response) {
  try {
    const content = await readFile(path.join(OUTPUT, path.normalize(`/${name}`)));
    response.writeHead(200, { "content-type": CONTENT_TYPES[path.extname(name)], "cache-control": "no-store" });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

function forward(request, response) {
  const options = { method: request.method, headers: request.headers };
  const upstream = http.request(new URL(request.url, values.gateway), options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  upstream.on("error", () => response.headersSent || response.writeHead(502).end("no answer from the gateway"));
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/ui" || (pathname.startsWith("/ui/") && pathname !== "/ui/config.json")) {
    const name = pathname.slice("/ui/".length);
    servePage(name.startsWith("assets/") || name === "licenses.txt" ? name : "index.html", response);
  } else {
    forward(request, response);
  }
});
await watch();
server.listen(Number(values.port), "127.0.0.1", () => console.log(`http://localhost:${values.port}/ui`));
