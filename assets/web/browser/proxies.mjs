// Signs in at each of several addresses, as somebody behind reverse proxies
// does, and prints what came of it: one JSON object a line.
//
//   node browser/proxies.mjs --password-file FILE --out DIR URL...
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { patience } from "./session.mjs";

const { values: options, positionals: urls } = parseArgs({
  allowPositionals: true,
  options: { "password-file": { type: "string" }, out: { type: "string" }, chromium: { type: "string", default: "/usr/bin/chromium" } },
});
const password = (await readFile(options["password-file"], "utf8")).trim();
await mkdir(options.out, { recursive: true });

const browser = await chromium.launch({ executablePath: options.chromium, args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
try {
  for (const url of urls) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    await page.addInitScript(() => document.addEventListener("htmx:sseMessage", () => (window.heardOfServer = true)));
    const first = await page.goto(url);
    const result = { url, at: page.url(), first: first.status(), text: await page.innerText("body") };
    // Only a page with its style sheet has a form that leads somewhere.
    if ((await page.locator("#password").count()) && !(await page.locator(".astray").isVisible())) {
      await page.fill("#password", password);
      const [answer] = await Promise.all([page.waitForResponse((r) => r.request().method() === "POST"), page.press("#password", "Enter")]);
      await page.waitForLoadState();
      result.signIn = answer.status();
      result.text = await page.innerText("body");
      if (answer.status() === 303) {
        await page.waitForFunction(() => window.heardOfServer); // events pass the proxy at once
        result.live = true;
      }
    }
    result.cookies = (await context.cookies()).map((c) => ({ name: c.name, secure: c.secure }));
    await page.screenshot({ path: join(options.out, `${new URL(url).port}.png`) });
    console.log(JSON.stringify(result));
    await context.close();
  }
} finally {
  await browser.close();
}
