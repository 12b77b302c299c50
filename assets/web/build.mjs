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

const add = async (name, content) => {
  const [stem, ext] = name.split(".");
  manifest[name] = `${stem}-${createHash("sha256").update(content).digest("hex").slice(0, 8)}.${ext}`;
  await writeFile(dist + manifest[name], content);
};
await add("icon.svg", await readFile(here("src/icon.svg")));
await add("licenses.txt", await licenses());

// licenses returns the licences of the bundled code, which ask to be passed on.
async function licenses() {
  const { dependencies } = JSON.parse(await readFile(here("package.json"), "utf8"));
  const parts = await Promise.all(
    Object.entries(dependencies).map(async ([name, version]) => {
      const text = await readFile(here(`node_modules/${name}/LICENSE`), "utf8");
      return `${name} ${version}\n\n${text.trim()}\n`;
    }),
  );
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}

await writeFile(dist + "manifest.json", JSON.stringify(manifest, null, 2) + "\n");
