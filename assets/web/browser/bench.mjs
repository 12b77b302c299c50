// The bench of a guided lab, where one is open: the terminal, code that runs in it,
// turning to other tasks, hints and questions, all without loading the page.
import { shows } from "./terminal.mjs";

export async function bench(lab) {
  const { page } = lab;
  await lab.go("/labs");
  const link = page.locator(".lab-open a").first();
  if ((await link.count()) === 0) return;
  await lab.go(await link.getAttribute("href"));
  lab.seen.add("bench");
  // A mark that a load of the page would wipe out.
  await page.evaluate(() => (window.loadedOnce = true));

  // By keyboard: in, a command, and out again to the text.
  await shows(lab, "a prompt", /\$/);
  await page.locator("[data-to-terminal]").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("echo hello $((40+2))");
  await page.keyboard.press("Enter");
  await shows(lab, "what was typed", /hello/);
  const frames = await page.evaluate(() => [...document.querySelectorAll(".bench-terminal, .bench-terminal *")].filter((e) => getComputedStyle(e).boxShadow !== "none").length);
  lab.expect("terminal", `one frame around it while it has the focus, got ${frames}`, frames === 1);
  await page.keyboard.press("Control+Shift+ArrowLeft");
  const heading = () => page.evaluate(() => document.activeElement.matches("[data-panel]:not([hidden]) h2"));
  lab.expect("terminal", "Control, Shift and left arrow to lead to the text", await heading());
  lab.seen.add("terminal");

  // Code of the text runs in it.
  const run = page.locator("[data-panel]:not([hidden]) [data-run]").first();
  if (await run.count()) {
    const code = (await run.locator("xpath=..").locator("pre").innerText()).split("\n")[0];
    await run.click();
    await shows(lab, `the code ${code}`, new RegExp(code.slice(0, 20).replace(/[^\w ]/g, ".")));
  }
  // All of a command is seen, however long it is; what is copied is what its author wrote.
  const wrapped = await page.evaluate(() => {
    const pre = document.querySelector("[data-panel]:not([hidden]) .codeblock pre");
    if (!pre) return null;
    const text = pre.textContent;
    const long = `kubectl get ${"x".repeat(300)} | ${"jq -c . | ".repeat(40)}\n  second`;
    pre.firstElementChild.textContent = long;
    getSelection().selectAllChildren(pre);
    const found = { aside: pre.scrollWidth - pre.clientWidth, same: getSelection().toString() === long && pre.textContent === long };
    getSelection().removeAllRanges();
    pre.firstElementChild.textContent = text;
    return found;
  });
  lab.expect("bench", `long commands to be seen and copied whole, got ${JSON.stringify(wrapped)}`, !wrapped || (wrapped.aside === 0 && wrapped.same));

  // What the terminal needs of styles it has: else it would not know its size.
  const height = await page.evaluate(() => document.querySelector(".xterm-screen").getBoundingClientRect().height / document.querySelector(".terminal").getBoundingClientRect().height);
  lab.expect("terminal", `a screen as high as its place, got ${height}`, height > 0.85 && height <= 1);

  // Another task, and back by the browser's button.
  const current = () => page.locator('[data-step][aria-current="page"]').getAttribute("data-step");
  const first = await current();
  await page.locator("[data-step]").last().click();
  lab.expect("bench", "the last step to be turned to", (await current()) === "break");
  await lab.settle();
  lab.expect("bench", "a live update to leave the reader there", (await current()) === "break");
  await page.goBack();
  lab.expect("bench", "the browser's button to lead back", (await current()) === first);

  const hints = page.locator("[data-panel]:not([hidden]) .hints > li");
  const before = await hints.count();
  const more = page.getByRole("button", { name: /hint$/ }).locator("visible=true");
  if (await more.count()) {
    await more.click();
    await page.waitForFunction((n) => document.querySelectorAll("[data-panel]:not([hidden]) .hints > li").length > n, before);
  }
  // The hint has come by the event stream: its commands can be run as well.
  const lame = await page.locator('.codeblock:has([aria-label="Commands"])').evaluateAll((all) => all.filter((block) => block.querySelector("[data-run]")?.hidden !== false || !block.querySelector("[data-copy]")).length);
  lab.expect("bench", `commands that can all be run and copied, got ${lame} that can't`, lame === 0);
  const choice = page.locator('.question input[type="radio"]:visible').first();
  if (await choice.count()) {
    await choice.check();
    await choice.locator("xpath=ancestor::form").getByRole("button", { name: "Answer" }).click();
    await page.locator(".answered .pill:visible").last().waitFor();
  }
  await lab.shot("bench-used-laptop-light");
  await lab.checkAccess("bench, used");
  lab.expect("bench", "all of this without loading the page", await page.evaluate(() => window.loadedOnce === true));

  // The terminal takes the colours of the page.
  const background = () => page.evaluate(() => getComputedStyle(document.querySelector(".xterm-scrollable-element")).backgroundColor);
  const light = await background();
  await page.locator("[data-theme-toggle]").click();
  await page.waitForTimeout(200);
  lab.expect("terminal", `dark colours on a dark page, got ${light} both times`, (await background()) !== light);
  await lab.shot("bench-used-laptop-dark");
  await page.locator("[data-theme-toggle]").click();

  // Its output is lines of text for those who hear it.
  const reader = page.locator("[data-terminal-reader]");
  await reader.click();
  lab.expect("terminal", "a screen reader's view of it", (await page.locator(".xterm-accessibility").count()) === 1);
  await reader.click();
  await lab.context.clearCookies({ name: "benchtop_theme" });
}
