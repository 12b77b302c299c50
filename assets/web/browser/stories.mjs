// What a person does: each function is one story.

export async function refuseWrongPassword(lab) {
  const { page } = lab;
  await page.goto("/runs?filter=metrics.accuracy+%3E+0.5");
  lab.expect("login", "a page that needs a session to lead to the sign-in form", new URL(page.url()).pathname === "/login");
  await lab.shot("login-laptop-light");
  await lab.checkAccess("login");
  await lab.expecting(401, async () => {
    await page.fill("#password", "not the password");
    await page.press("#password", "Enter");
    await page.waitForSelector('[role="alert"]');
  });
  await lab.checkAccess("login with an error");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await lab.shot("login-phone-dark");
  await lab.checkOverflow("login");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
}

// signInWithLink opens the link that "benchtop up" prints.
export async function signInWithLink(lab, link) {
  const { page } = lab;
  await page.goto(link);
  lab.expect("login link", "the link to lead to the first page", new URL(page.url()).pathname === "/");
  await lab.context.clearCookies();
  await lab.expecting(401, async () => {
    await page.goto(link);
    await page.waitForSelector('[role="alert"]');
  });
  lab.seen.add("login link");
}

// boot looks at the boot page for as long as there is one: it must turn into
// the overview without a hand on it.
export async function boot(lab) {
  const { page } = lab;
  await page.goto("/");
  if ((await page.locator(".boot").count()) > 0) {
    lab.seen.add("boot");
    await lab.shot("boot-laptop-light");
    await lab.checkAccess("boot");
    await page.setViewportSize({ width: 390, height: 844 });
    await lab.checkOverflow("boot");
    await lab.shot("boot-phone-light");
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  await page.waitForSelector("#h-machine", { timeout: 180000 });
}

export async function signIn(lab, name, password) {
  const { page } = lab;
  await page.goto("/login?next=%2Fsystem");
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.press("#password", "Enter");
  await page.waitForURL("**/system");
  const cookie = (await lab.context.cookies()).find((c) => c.name === "benchtop_session");
  lab.expect("login", "an HttpOnly, SameSite=Lax session cookie", cookie?.httpOnly && cookie.sameSite === "Lax");
}

// keyboard walks without a mouse: skip link, navigation, visible focus.
export async function keyboard(lab) {
  const { page } = lab;
  await lab.go("/");
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  lab.expect("keyboard", "the skip link to come first", (await focused()) === "Skip to content");
  await page.keyboard.press("Enter");
  lab.expect("keyboard", "the skip link to lead to the content", await page.evaluate(() => document.activeElement.id === "main"));
  await page.focus(".nav a[href='/runs']");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  lab.expect("keyboard", "a visible focus ring", outline === "solid");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/runs");
}

export async function themeToggle(lab) {
  const { page } = lab;
  await lab.go("/");
  await page.click("[data-theme-toggle]");
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  lab.expect("theme", "the button to switch to dark", (await theme()) === "dark");
  await lab.go("/runs");
  lab.expect("theme", "the server to remember the theme", (await theme()) === "dark");
  await lab.context.clearCookies({ name: "benchtop_theme" });
}

export async function wrongFilter(lab) {
  const { page } = lab;
  await lab.go("/runs");
  await lab.expecting(400, async () => {
    await page.fill("#filter", "this is no filter");
    await page.press("#filter", "Enter");
    await page.waitForSelector("#filter-error");
  });
  lab.expect("filter", "the filter to stay in its box", (await page.inputValue("#filter")) === "this is no filter");
  await lab.shot("filter-error-laptop-light");
  await lab.checkAccess("filter error");
}

// aliases points an alias at a version, sees it in another window and in the
// list, moves it to another version and removes it.
export async function aliases(lab) {
  const { page } = lab;
  const alias = "browser-walk";
  await lab.go("/models");
  const served = page.locator('tbody tr:has(a[href^="/deployments/"]) th a[href^="/models/"]').first();
  if ((await served.count()) === 0) return;
  await served.click();
  await page.waitForSelector("#h-versions");
  const model = new URL(page.url()).pathname;
  const versions = await page.locator('tbody th a[href*="/versions/"]').evaluateAll((links) => links.map((a) => a.getAttribute("href")));
  const older = versions[1] ?? versions[0];

  await lab.go(older);
  const kinds = await page.locator(".lineage .place").evaluateAll((places) => places.map((p) => /place-(\w+)/.exec(p.className)[1]));
  for (const kind of ["dataset", "code", "image", "run", "version", "deployment"]) {
    lab.expect("lineage", `a ${kind} in the picture`, kinds.includes(kind));
  }
  const run = page.locator(".stage-run a.node-title");
  if ((await run.count()) === 1) {
    await run.click();
    await page.waitForURL("**/runs/*");
    await page.goBack();
    await lab.settle();
  }
  await page.click(".lineage-full summary");
  await page.click(".lineage-full [data-copy] >> nth=0");
  await page.waitForFunction(() => document.querySelector(".lineage-full [data-copy-text]").textContent === "Copied");
  await lab.shot("version-in-full-laptop-light");
  await lab.checkAccess("version in full");

  // MLflow's refusal stands beside the field, which keeps its text.
  await lab.expecting(400, async () => {
    await page.fill("#alias", "v7");
    await page.press("#alias", "Enter");
    await page.waitForSelector("#alias-error");
  });
  lab.expect("aliases", "the field to keep what was typed", (await page.inputValue("#alias")) === "v7");
  await lab.shot("alias-error-laptop-light");
  await lab.checkAccess("alias error");
  await page.setViewportSize({ width: 390, height: 844 });
  await lab.shot("alias-error-phone-light");
  await lab.checkOverflow("alias error");
  await page.setViewportSize({ width: 1280, height: 800 });

  const other = await lab.context.newPage();
  await other.goto(older);
  await other.locator("#alias").fill("half typed");
  const says = (text) => page.waitForFunction((wanted) => document.querySelector(".aliases [role=status]")?.textContent.includes(wanted), text);
  await page.fill("#alias", alias);
  await page.press("#alias", "Enter");
  await says("now points at");
  await other.locator(".alias-name", { hasText: alias }).waitFor();
  lab.expect("aliases", "a live update to leave what is being typed", (await other.inputValue("#alias")) === "half typed");
  await lab.go("/models");
  lab.expect("aliases", "the alias in the list", (await page.locator(".tag", { hasText: alias }).count()) === 1);

  if (versions[1]) {
    await lab.go(versions[0]);
    await page.fill("#alias", alias);
    await page.press("#alias", "Enter");
    await says("was moved");
    await lab.shot("alias-moved-laptop-light");
    await lab.checkAccess("alias moved");
    await other.locator(".alias-name", { hasText: alias }).waitFor({ state: "detached" });
  }
  await lab.go(model);
  await page.getByRole("button", { name: `Remove the alias ${alias}` }).click();
  await says("was removed");
  await other.close();
  await lab.go("/models");
  lab.expect("aliases", "the alias gone from the list", (await page.locator(".tag", { hasText: alias }).count()) === 0);

  // The metric of the chart can be chosen, and the address keeps the choice.
  await lab.go(model);
  const metrics = page.locator("#metric option");
  if ((await metrics.count()) > 1) {
    const name = await metrics.last().getAttribute("value");
    await page.selectOption("#metric", name);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(/metric=/);
    lab.expect("metric", "the column of the chosen metric", (await page.locator("th.num").allTextContents()).includes(name));
  }
  lab.seen.add("lineage").add("alias");
}

// compareRuns goes from an experiment to two of its runs: sorts, adds a column,
// selects with the keyboard, and ends on the page that compares.
export async function compareRuns(lab) {
  const { page } = lab;
  await lab.go("/experiments");
  const names = await page.locator('tbody th a[href^="/runs?experiment="]').all();
  for (const link of await Promise.all(names.map((name) => name.getAttribute("href")))) {
    await lab.go(link);
    if ((await page.locator('input[name="run"]').count()) > 1 && (await page.locator("thead th.num a").count()) > 0) break;
  }
  const boxes = page.locator('input[name="run"]');
  const metric = page.locator("thead th.num a").first();
  if ((await boxes.count()) < 2 || (await metric.count()) === 0) return;

  // Choosing the experiment by hand leads to the same list.
  const chosen = await page.inputValue("#experiment");
  await page.goto("/runs");
  await page.selectOption("#experiment", chosen);
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL((url) => url.searchParams.get("experiment") === chosen);

  const key = await metric.textContent();
  for (const direction of ["descending", "ascending", "descending"]) {
    await metric.click();
    await page.waitForSelector(`thead th[aria-sort="${direction}"] a:text-is(${JSON.stringify(key)})`);
  }
  lab.expect("sort", "the order in the address", /^metrics\..* DESC$/.test(new URL(page.url()).searchParams.get("order")));
  const cells = await page.locator("tbody tr").evaluateAll((rows) => {
    const column = [...document.querySelectorAll("thead th")].findIndex((th) => th.ariaSort === "descending");
    return rows.map((row) => Number(row.children[column].textContent)).filter((value) => !Number.isNaN(value));
  });
  lab.expect("sort", `the highest first in ${cells}`, cells.length > 1 && cells.every((value, i) => i === 0 || value <= cells[i - 1]));

  await page.locator(".choose-columns summary").click();
  await page.locator('.choose-columns input[value="attributes.run_id"]').check();
  await lab.shot("columns-laptop-light");
  await lab.checkAccess("columns");
  await page.setViewportSize({ width: 390, height: 844 });
  await lab.shot("columns-phone-light");
  await lab.checkOverflow("columns");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator(".choose-columns").getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForSelector('thead th:has-text("Run id")');
  lab.expect("columns", "the order to stay", (await page.locator('thead th[aria-sort="descending"]').textContent()).includes(key));
  await lab.settle();

  const compare = page.getByRole("button", { name: "Compare", exact: true });
  await compare.click();
  lab.expect("compare", "the button to say what is missing", /at least two runs/.test(await page.textContent("[data-selected]")));
  await page.locator("[data-select-all] input").check();
  lab.expect("compare", "all runs to be selected", (await page.locator('input[name="run"]:not(:checked)').count()) === 0);
  await page.locator("[data-select-all] input").uncheck();
  for (const i of [0, 1]) {
    await boxes.nth(i).focus();
    await page.keyboard.press("Space");
  }
  const wanted = [await boxes.nth(0).inputValue(), await boxes.nth(1).inputValue()];
  lab.expect("compare", "two selected runs", /^2 of /.test(await page.textContent("[data-selected]")));
  await lab.shot("selected-laptop-light");
  await lab.checkAccess("selected");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 844 });
  await lab.shot("selected-phone-dark");
  await lab.checkOverflow("selected");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
  await compare.click();
  await page.waitForURL((url) => url.pathname === "/compare");
  lab.expect("compare", "the address to name both runs", new URL(page.url()).searchParams.getAll("run").join() === wanted.join());
  await page.goBack();
  lab.seen.add("compare");
}

// selectionStays starts a training in another window: the new row must not
// untick what is ticked in this one.
async function selectionStays(lab) {
  const { page } = lab;
  await lab.go("/runs");
  const boxes = page.locator('input[name="run"]');
  if ((await boxes.count()) === 0) return;
  const id = await boxes.first().getAttribute("id");
  await boxes.first().check();
  const rows = await page.locator("tbody tr").count();
  const other = await lab.context.newPage();
  await other.goto("/runs");
  await other.getByRole("button", { name: /^Train/ }).first().click();
  await other.waitForURL(/\/(trainings|runs)\/[^/]+$/);
  await other.close();
  await page.waitForFunction((before) => document.querySelectorAll("tbody tr").length > before, rows);
  lab.expect("selection", "the box to stay ticked while rows come in", await page.locator(`#${id}`).isChecked());
  lab.expect("selection", "the count to stay", /^1 of /.test(await page.textContent("[data-selected]")));
}

export async function predict(lab) {
  const { page } = lab;
  await lab.go("/deployments");
  const link = page.locator('tbody th a[href^="/deployments/"]').first();
  if ((await link.count()) === 0) return;
  await link.click();
  const button = page.getByRole("button", { name: "Predict", exact: true });
  if ((await button.count()) === 0) return;
  await lab.settle();
  await button.click();
  await page.waitForSelector("#prediction .prediction");
  lab.expect("predict", "an answer and no error", (await page.locator("#prediction .prediction-bad").count()) === 0);
  await lab.shot("prediction-laptop-light");
  await lab.checkAccess("prediction");
  await page.setViewportSize({ width: 390, height: 844 });
  await lab.shot("prediction-phone-light");
  await lab.checkOverflow("prediction");
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.click("[data-copy]");
  await page.waitForFunction(() => document.querySelector("[data-copy-text]").textContent === "Copied");

  // Text that is no number is refused with a message that names the field.
  const first = page.locator(".predict input").first();
  await first.fill("long");
  await button.click();
  await page.waitForSelector("#prediction .prediction-bad");
  lab.expect("predict", "an error that says what was expected", /expected a number/.test(await page.textContent("#prediction")));
  await page.waitForSelector(".logbox .line");
  lab.seen.add("prediction").add("live log");
}

// rollBack goes back to the version served before, with a reason, and then
// forward again, so that the lab serves the same as at first.
export async function rollBack(lab) {
  const { page } = lab;
  await lab.go("/deployments");
  const link = page.locator('tbody th a[href^="/deployments/"]').first();
  if ((await link.count()) === 0) return;
  await lab.go(await link.getAttribute("href"));
  const button = page.locator("#history").getByRole("button", { name: /^Roll back to v\d+$/ });
  if ((await button.count()) === 0) return;

  const reason = "worse on wet days, says the browser";
  const newest = page.locator("#history tbody tr").first();
  const before = await newest.getAttribute("id");
  await page.fill("#release-reason", reason);
  await page.press("#release-reason", "Enter");
  await lab.settle();
  lab.expect("roll back", "Enter in the reason to change nothing", (await newest.getAttribute("id")) === before && (await page.inputValue("#release-reason")) === reason);

  for (const why of [reason, ""]) {
    const version = /v(\d+)$/.exec(await button.textContent())[1];
    await page.fill("#release-reason", why);
    await button.click();
    await page.waitForURL(/done=rolled-back/);
    await page.locator("#history [role=status]", { hasText: `Version ${version} is in service` }).waitFor();
    const row = await newest.innerText();
    lab.expect("roll back", `the newest revision to be v${version}, live, rolled back by ${lab.options.name}, got ${row}`, row.includes(`v${version}`) && /live/.test(row) && /rolled back/.test(row) && row.includes(`by ${lab.options.name}`));
    lab.expect("roll back", `the reason ${why} in the history, got ${row}`, row.includes(why));
    if (why === "") break;
    await lab.shot("rolled-back-laptop-light");
    await lab.checkAccess("rolled back");
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: "dark" });
    await lab.shot("rolled-back-phone-dark");
    await lab.checkOverflow("rolled back");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  lab.seen.add("rollback");
}

export async function train(lab) {
  const { page } = lab;
  await selectionStays(lab);
  await lab.go("/runs");
  const button = page.getByRole("button", { name: /^Train/ }).first();
  lab.expect("train", "a button that starts a training", (await button.count()) === 1);
  await button.click();
  await page.waitForURL(/\/(trainings|runs)\/[^/]+$/);
  await lab.settle();
  await lab.shot("training-laptop-light");
  await lab.checkAccess("training");
  lab.seen.add("training");
}

export async function signOut(lab) {
  const { page } = lab;
  await lab.go("/");
  await page.getByRole("button", { name: /Sign out/ }).click();
  await page.waitForURL("**/login");
  await page.goto("/runs");
  lab.expect("sign out", "the session to be over", new URL(page.url()).pathname === "/login");
}
