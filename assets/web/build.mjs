// Bundles src into dist with content hashes in the names and writes
// manifest.json, which the Go package reads. Nothing is fetched at run time.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = here("dist/");

await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") await rm(dist + name, { recursive: true });
}

// The terminal writes style sheets and style attributes into the page, which the
// policy for content forbids. The same by the object model is allowed: so these
// four places are changed. Another release of it fails here until somebody looks.
const obedient = {
  name: "terminal without inline styles",
  setup(build) {
    build.onLoad({ filter: /@xterm\/xterm\/lib\/xterm\.mjs$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const [was, is, times] of [
        [/[\w.]+\.createElement\("style"\)/g, "globalThis.benchtopSheet()", 3],
        [/\.setAttribute\("style",/g, ".style.cssText=(", 1],
      ]) {
        const found = contents.match(was)?.length ?? 0;
        if (found !== times) throw new Error(`${path}: ${was} was found ${found} times, expected ${times}`);
        contents = contents.replace(was, is);
      }
      return { contents, loader: "js" };
    });
  },
};

const result = await build({
  absWorkingDir: here("."),
  entryPoints: [
    { in: here("src/app.js"), out: "app" },
    { in: here("src/app.css"), out: "style" },
    // What only pages with a terminal need.
    { in: here("src/terminal.js"), out: "terminal" },
    { in: here("src/terminal.css"), out: "terminal" },
  ],
  plugins: [obedient],
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
  if (output.entryPoint?.endsWith("terminal.js")) manifest["terminal.js"] = basename(path);
  if (output.entryPoint?.endsWith("terminal.css")) manifest["terminal.css"] = basename(path);
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

// Packed, they take a third of the room, in the program and in its memory.
for (const name of await readdir(dist)) {
  if (name === ".gitkeep") continue;
  await writeFile(`${dist}${name}.gz`, gzipSync(await readFile(dist + name), { level: 9 }));
  await rm(dist + name);
}
await writeFile(dist + "manifest.json", JSON.stringify(manifest, null, 2) + "\n");
