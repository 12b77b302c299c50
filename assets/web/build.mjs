// Bundles src into dist with content hashes in the names and writes
// manifest.json, which the Go package reads. Nothing is fetched at run time.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = here("dist/");

await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") await rm(dist + name, { recursive: true });
}

const result = await build({
  absWorkingDir: here("."),
  entryPoints: [{ in: here("src/app.js"), out: "app" }, { in: here("src/app.css"), out: "style" }],
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2021", "chrome100", "firefox102", "safari15.4"],
  entryNames: "[name]-[hash]",
  outdir: dist,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});

const manifest = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (output.entryPoint?.endsWith("app.js")) manifest["app.js"] = basename(path);
  if (output.entryPoint?.endsWith("app.css")) manifest["app.css"] = basename(path);
}

const icon = await readFile(here("src/icon.svg"));
manifest["icon.svg"] = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
await writeFile(dist + manifest["icon.svg"], icon);
await writeFile(dist + "manifest.json", JSON.stringify(manifest, null, 2) + "\n");
