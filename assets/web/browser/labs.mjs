// A newcomer takes two guided labs in a real browser: finds the first in the
// catalogue, types in its terminal, does some things wrong, lets it break and mends
// it, opens the second beside it, and leaves both.
//
//   node browser/labs.mjs --url http://127.0.0.1:8080 --password-file FILE --out DIR
//     [--name admin]     who signs in; no lab of theirs may be open
//     [--chromium PATH]  /usr/bin/chromium if not given
import { mkdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { openBrowser } from "./session.mjs";
import { signIn } from "./stories.mjs";
import { beside, breakIt, leave, onPhone, pods, rest, service, start } from "./newcomer.mjs";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    name: { type: "string", default: "admin" },
    password: { type: "string" },
    "password-file": { type: "string" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!options.url || !options.out || !(options.password || options["password-file"])) {
  console.error("expected --url URL --out DIR and --password-file FILE (or --password)");
  process.exit(2);
}
const password = options.password ?? (await readFile(options["password-file"], "utf8")).trim();
await mkdir(options.out, { recursive: true });

const lab = await openBrowser(options);
try {
  await signIn(lab, options.name, password);
  await lab.page.setViewportSize({ width: 1280, height: 720 });
  await start(lab);
  await pods(lab);
  await service(lab);
  await rest(lab);
  await breakIt(lab);
  const tab = await beside(lab);
  await onPhone(lab);
  await leave(lab, tab);
} catch (error) {
  lab.fail("story", error.stack ?? String(error));
  await lab.shot("failure").catch(() => {});
} finally {
  await lab.close();
}

console.log(`${lab.shots} screenshots in ${options.out}; done: ${[...lab.seen].join(", ")}`);
if (lab.failures.length) {
  for (const { where, what } of lab.failures) console.error(`FAIL ${where}: ${what}`);
  process.exit(1);
}
console.log("no failures");
