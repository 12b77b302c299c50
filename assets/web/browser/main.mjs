// Walks through every page of a running UI in a real browser, the way a
// person would, and fails on what a person would complain about.
//
//   node browser/main.mjs --url http://127.0.0.1:8080 --password-file FILE --out DIR
//     [--name admin]        who signs in
//     [--link URL]          signs in with a one-time link first, and checks that it works once
//     [--boot]              starts while the lab does, and waits until the boot page has turned into the overview
//     [--train]             starts a training
//     [--require NAME,…]    fails if there was no such thing to look at: run, run-finished, run-parent, artifacts,
//                           artifact, compare, comparing, projects, project, model, version, lineage, dataset, alias, deployment,
//                           pod, prediction, rollback, bench, terminal, "live log"
//     [--chromium PATH]     /usr/bin/chromium if not given
//
// It works on any lab: it follows the links that it finds.
import { mkdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { openBrowser } from "./session.mjs";
import { visitPages } from "./pages.mjs";
import { compare } from "./comparing.mjs";
import { bench } from "./bench.mjs";
import { aliases, boot, compareRuns, keyboard, predict, refuseWrongPassword, rollBack, signIn, signInWithLink, signOut, themeToggle, train, wrongFilter } from "./stories.mjs";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    name: { type: "string", default: "admin" },
    password: { type: "string" },
    "password-file": { type: "string" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    require: { type: "string", default: "" },
    link: { type: "string" },
    boot: { type: "boolean", default: false },
    train: { type: "boolean", default: false },
  },
});
if (!options.url || !options.out || !(options.password || options["password-file"])) {
  console.error("expected --url URL --out DIR and --password-file FILE (or --password)");
  process.exit(2);
}
const password = options.password ?? (await readFile(options["password-file"], "utf8")).trim();
await mkdir(options.out, { recursive: true });

const lab = await openBrowser(options);

// step runs a story and says how long it took.
async function step(story, ...args) {
  const began = performance.now();
  await story(lab, ...args);
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s ${story.name}`);
}

try {
  if (options.link) await step(signInWithLink, options.link);
  await step(refuseWrongPassword);
  await step(signIn, options.name, password);
  if (options.boot) await step(boot);
  await step(keyboard);
  await step(themeToggle);
  await step(visitPages);
  await step(wrongFilter);
  await step(compareRuns);
  await step(compare);
  await step(aliases);
  await step(bench);
  await step(predict);
  await step(rollBack);
  if (options.train) await step(train);
  await step(signOut);
  for (const wanted of options.require.split(",").filter(Boolean)) {
    if (!lab.seen.has(wanted)) lab.fail("coverage", `there was no ${wanted} to look at`);
  }
} catch (error) {
  lab.fail("story", error.stack ?? String(error));
  await lab.shot("failure").catch(() => {});
} finally {
  await lab.close();
}

console.log(`${lab.shots} screenshots in ${options.out}; looked at: ${[...lab.seen].join(", ")}`);
if (lab.failures.length) {
  for (const { where, what } of lab.failures) console.error(`FAIL ${where}: ${what}`);
  process.exit(1);
}
console.log("no failures");
