// Compares runs as a person does.
import { comparison } from "./pages.mjs";

const where = "comparing";

export async function compare(lab) {
  const { page } = lab;
  const address = await comparison(lab);
  if (!address) return;
  await lab.go(address);
  if ((await page.locator("#compare-curves").count()) === 0) return;
  await curves(lab);
  await axes(lab);
  await differences(lab);
  await points(lab, address);
  await refusals(lab, address);
  lab.seen.add("comparing");
}

// colours counts the colours on the canvas; an empty one has one.
const colours = (lab) =>
  lab.page.locator("#compare-curves canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return seen.size;
  });

const asks = (lab, name) => new URL(lab.page.url()).searchParams.get(name);

async function curves(lab) {
  const { page } = lab;
  lab.expect(where, "curves in several colours", (await colours(lab)) > 8);

  // Another metric, over another axis, on another scale; each is in the address.
  const metric = page.locator("#pick-metric");
  const other = await metric.evaluate((select) => [...select.options].map((o) => o.value).find((v) => /loss/.test(v) && v !== select.value) ?? select.value);
  await metric.selectOption(other);
  await page.getByRole("button", { name: "Show metric" }).click();
  await page.waitForURL(/#curves$/);
  lab.expect(where, "the metric to be in the address", asks(lab, "metric") === other);
  for (const [text, name, value] of [["Relative time", "over", "relative"], ["Wall time", "over", "time"], ["Log", "scale", "log"]]) {
    await page.locator("#curves").getByRole("link", { name: text, exact: true }).click();
    await page.waitForURL(new RegExp(`${name}=${value}`));
    await lab.settle();
    lab.expect(where, `curves with ${name}=${value}`, (await colours(lab)) > 8);
  }
  lab.expect(where, "the metric to outlast other choices", asks(lab, "metric") === other && (await page.inputValue("#pick-metric")) === other);
  await lab.shot("compare-curves-laptop-light");
  await page.goBack();
  await page.goBack();
  await page.goBack();
  await lab.settle();

  // The pointer on a curve names its run, and lights it up in the legend.
  const plot = page.locator("#compare-curves .u-over");
  await plot.scrollIntoViewIfNeeded();
  let box = await plot.boundingBox();
  let said = "";
  for (let y = 6; y < box.height && !said.includes(" · "); y += 12) {
    await page.mouse.move(box.x + box.width * 0.2, box.y + y);
    said = await page.textContent("#compare-curves .chart-now");
  }
  lab.expect(where, `the caption to name a run and a place, got ${said}`, / · .+ · step \d/.test(said));
  lab.expect(where, "a run in the legend to light up", (await page.locator("#compare-curves .run-legend .lit").count()) === 1);
  await lab.shot("compare-hover-laptop-light");

  // Dragging zooms in, a double click shows all again.
  await plot.scrollIntoViewIfNeeded();
  box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
  await page.mouse.up();
  const caption = (text) => page.waitForFunction((t) => document.querySelector("#compare-curves .chart-now").textContent.includes(t), text);
  await caption("Double-click");
  await page.mouse.dblclick(box.x + box.width * 0.5, box.y + 1);
  await page.mouse.move(10, 10);
  await caption("Drag across");

  await page.click("[data-theme-toggle]");
  await lab.settle();
  lab.expect(where, "curves after another theme was chosen", (await colours(lab)) > 8);
  await page.click("[data-theme-toggle]");
  await lab.context.clearCookies({ name: "benchtop_theme" });
}

async function axes(lab) {
  const { page } = lab;
  await page.locator("#parallel summary").click();
  const boxes = page.locator('#parallel input[name="axis"]:checked');
  const before = await boxes.count();
  await boxes.first().uncheck();
  await page.locator("#pick-color").selectOption({ index: 1 });
  await page.getByRole("button", { name: "Show axes", exact: true }).click();
  await page.waitForURL(/#parallel$/);
  const drawn = await page.locator(".parallel .axis").count();
  lab.expect(where, `${before - 1} axes, got ${drawn}`, drawn === before - 1);
  lab.expect(where, "a key for the colours of the metric", (await page.locator(".heat-key").count()) === 1);

  // Dragging along the last axis keeps the runs in its upper half.
  const zone = page.locator(".brush-zone").last();
  await zone.scrollIntoViewIfNeeded();
  const box = await zone.boundingBox();
  await page.mouse.move(box.x + 16, box.y + 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 16, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  const check = async (when) => {
    const note = await page.textContent("[data-brushed]");
    const [, kept, all] = note.match(/^(\d+) of (\d+) runs picked out/) ?? [];
    const faded = await page.locator(".parallel a.out").count();
    lab.expect(where, `some runs to be picked out ${when}, got ${note} and ${faded} that faded`, Number(kept) < Number(all) && faded === all - kept);
    lab.expect(where, `the others to fade in the table too ${when}`, (await page.locator(".side-by-side thead .out").count()) === faded);
    lab.expect(where, `the range to stand on its axis ${when}`, (await page.locator(".brush").count()) === 1);
  };
  await check("at once");
  await page.waitForTimeout(6000); // by then the run that goes on has logged more
  await check("after a live update");
  await lab.shot("compare-brush-laptop-light");
  await zone.click({ position: { x: 16, y: 5 } });
  lab.expect(where, "a click to clear the axis", (await page.locator(".parallel a.out").count()) === 0 && (await page.locator(".brush").count()) === 0);
}

async function differences(lab) {
  const { page } = lab;
  await page.getByRole("link", { name: "Only differences" }).click();
  await page.waitForURL(/only=/);
  lab.expect(where, "only rows that differ", (await page.locator(".side-by-side tbody tr:not(.differs):not(.group)").count()) === 0);
  lab.expect(where, "rows that differ", (await page.locator(".side-by-side tbody tr.differs").count()) > 0);
  const columns = page.locator(".side-by-side thead th");
  const before = await columns.count();
  const leave = page.getByRole("button", { name: /^Compare without/ }).first();
  if ((await leave.count()) === 1) {
    await leave.click();
    await page.waitForURL(/without=/);
    lab.expect(where, "a column less", (await columns.count()) === before - 1);
    lab.expect(where, "the rows to stay those that differ", asks(lab, "only") !== null);
  }
  await page.getByRole("link", { name: "All rows" }).click();
  await page.waitForURL((url) => !url.searchParams.has("only") && !url.searchParams.has("without"));
}

async function points(lab, address) {
  const { page } = lab;
  await lab.go(address);
  const pick = page.locator("#pick-x");
  if ((await pick.count()) === 0) return;
  const metric = await pick.locator('option[value^="metrics."]').first().getAttribute("value");
  await pick.selectOption(metric);
  await page.getByRole("button", { name: "Show axes of the scatter plot" }).click();
  await page.waitForURL(/#scatter$/);
  lab.expect(where, "the axis to be in the address", asks(lab, "x") === metric);
  await lab.settle();
  const point = page.locator(".scatter a").last();
  const name = await point.getAttribute("aria-label");
  const target = await point.getAttribute("href");
  await point.locator(".grip").hover();
  lab.expect(where, "the pointer on a point to name its run", (await page.locator("#compare-scatter .tip").textContent()).startsWith(name));
  await lab.shot("compare-point-laptop-light");
  await point.locator(".grip").click();
  await page.waitForURL(`**${target}`);
  lab.expect(where, "the point to lead to its run", (await page.textContent("h1")) === name);
}

async function refusals(lab, address) {
  const { page } = lab;
  await lab.expecting(400, async () => {
    await page.goto(address.split("&")[0]);
  });
  lab.expect(where, "one run to be refused with what to do", /at least two different runs/.test(await page.textContent("main")));
  await lab.go(`${address}&run=gone&axis=params.gone`);
  const notices = await page.textContent(".notices");
  lab.expect(where, "a run and an axis that are not there to be named", /no run “gone”/.test(notices) && /"params.gone"/.test(notices));
  await lab.shot("compare-notices-laptop-light");
  await lab.checkAccess("compare with notices");
}
