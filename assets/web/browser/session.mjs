// The browser, and everything that it complains about.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Whatever is slower is stuck, in milliseconds: other stories run beside this one.
export const patience = 60000;

export async function openBrowser(options) {
  const browser = await chromium.launch({
    executablePath: options.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ baseURL: options.url, viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ignoreHTTPSErrors: true });
  await context.addInitScript(() => {
    document.addEventListener("htmx:sseMessage", () => (window.heardOfServer = true));
    document.addEventListener("htmx:sseBeforeMessage", () => (window.heardOfServer = true));
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const lab = { options, browser, context, failures: [], seen: new Set(), shots: 0, expectedStatus: new Set() };
  lab.fail = (place, what) => {
    const known = lab.failures.some((f) => f.where === place && f.what === what);
    if (!known) lab.failures.push({ where: place, what });
  };
  lab.expect = (where, what, truth) => {
    if (!truth) lab.fail(where, `expected ${what}`);
  };
  // expecting runs f; meanwhile answers with this status are right.
  lab.expecting = async (status, f) => {
    lab.expectedStatus.add(status);
    await f();
    lab.expectedStatus.delete(status);
  };
  lab.close = () => browser.close();
  await watch(lab, lab);
  return lab;
}

// another opens a second tab: what it complains about counts as well.
export async function another(lab) {
  const tab = Object.create(lab);
  await watch(tab, lab);
  return tab;
}

// watch opens a page in a tab and gives it what stories do with it. The counts
// are of the whole lab.
async function watch(tab, lab) {
  const { context, options } = lab;
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  tab.page = page;
  const where = () => new URL(page.url(), options.url).pathname;

  page.on("console", (message) => {
    if (message.type() !== "error") return;
    // The browser also prints each answer above 399, which is counted below.
    if (message.text().startsWith("Failed to load resource")) return;
    lab.fail(where(), `console: ${message.text()}`);
  });
  page.on("pageerror", (error) => lab.fail(where(), `script: ${error.message}`));
  page.on("requestfailed", (request) => {
    // Leaving a page ends its event streams, which is no failure.
    if (request.failure()?.errorText === "net::ERR_ABORTED") return;
    lab.fail(where(), `request failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() < 400 || lab.expectedStatus.has(response.status())) return;
    lab.fail(where(), `answer ${response.status()}: ${response.url()}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(options.url).origin && !request.url().startsWith("data:")) {
      lab.fail(where(), `request to another server: ${request.url()}`);
    }
  });

  // go opens a page and waits for its first live update, so that pictures show
  // it as it stays.
  tab.go = async (path) => {
    const answer = await page.goto(path, { waitUntil: "load" });
    await page.waitForFunction(() => window.heardOfServer || !document.querySelector("[sse-connect]"));
    await page.waitForTimeout(150);
    return answer;
  };

  // settle waits until a click has taken effect.
  tab.settle = async () => {
    await page.waitForTimeout(700);
  };

  tab.shot = async (name) => {
    // The whole page in one window, so that parts that stick to an edge of the
    // screen stick to the edge of the picture.
    const size = page.viewportSize();
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: size.width, height: Math.max(size.height, height) });
    await page.waitForTimeout(100);
    await page.screenshot({ path: join(options.out, `${name}.png`) });
    await page.setViewportSize(size);
    lab.shots += 1;
  };

  tab.checkOverflow = async (name) => {
    const wide = await page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return null;
      const culprits = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1);
      return `${document.documentElement.scrollWidth} > ${width} px: ${culprits.slice(0, 4).map((e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class")}`).join(", ")}`;
    });
    if (wide) lab.fail(name, `wider than the screen: ${wide}`);
  };

  tab.checkAccess = async (name) => {
    await page.evaluate(`${axeSource}; void 0`);
    const { violations } = await page.evaluate(() =>
      window.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
    );
    for (const v of violations) {
      if (v.impact !== "serious" && v.impact !== "critical") continue;
      const nodes = v.nodes.slice(0, 3).map((n) => `${n.target.join(" ")} (${n.any[0]?.message ?? n.failureSummary?.split("\n")[1] ?? ""})`);
      lab.fail(name, `accessibility: ${v.id} (${v.impact}): ${nodes.join("; ")}`);
    }
  };
}
