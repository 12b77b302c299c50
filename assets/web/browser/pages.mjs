// Every page in light and dark on a laptop, and in dark on a phone.

// A page is loaded in the first of the schemes; the other one comes while it is open,
// as when the system turns to dark in the evening. What people with other eyes need
// is looked at in the first one: in each scheme once, and on each screen once.
const screens = [
  { name: "laptop", width: 1280, height: 800, schemes: ["light", "dark"] },
  { name: "phone", width: 390, height: 844, schemes: ["dark"] },
];

// comparison finds the page that compares the runs of a list: in the lab of the
// tests those of the sweep, in others the first. A single run has none.
export async function comparison(lab) {
  await lab.go("/experiments");
  const sweep = lab.page.locator('tbody th a[href^="/runs?experiment="]', { hasText: "churn-sweep" });
  await lab.go((await sweep.count()) ? await sweep.getAttribute("href") : "/runs");
  const links = await lab.page.locator('tbody th a[href^="/runs/"]').evaluateAll((all) => all.filter((a) => !a.closest(".sub")).map((a) => a.getAttribute("href")));
  const ids = links.slice(0, 14).map((link) => link.split("/").pop());
  return ids.length < 2 ? undefined : `/compare?${ids.map((id) => `run=${id}`).join("&")}`;
}

// The pages, in the order of the navigation. A page with find is the first link
// on the page before it that matches; labs without data have none. A page with
// make has an address that make puts together.
const pages = [
  { name: "overview", path: "/" },
  { name: "labs", path: "/labs" },
  { name: "lab", from: "/labs", find: ".lab-card h3 a" },
  { name: "bench", from: "/labs", find: ".lab-open a" },
  { name: "projects", path: "/projects" },
  { name: "project", from: "/projects", find: 'tbody th a[href^="/projects/"]' },
  { name: "runs", path: "/runs" },
  { name: "run", from: "/runs", find: 'tbody th a[href^="/runs/"], tbody th a[href^="/trainings/"]' },
  { name: "run-finished", from: "/runs", find: 'tbody tr:has(.pill-good) th a[href^="/runs/"]' },
  { name: "experiments", path: "/experiments?deleted=1" },
  { name: "runs-experiment", from: "/experiments", find: 'tbody th a[href^="/runs?experiment="]' },
  { name: "run-parent", from: "/runs", find: '.run-name .sub a[href^="/runs/"]' },
  { name: "run-child", from: "run-parent", find: '[aria-labelledby="h-children"] tbody th a[href^="/runs/"]' },
  { name: "runs-nested", from: "run-parent", find: '.facts a[href^="/runs?experiment="]' },
  { name: "compare", make: comparison },
  { name: "artifacts", from: "run-finished", find: '.files a[href*="/artifacts?path=logs"], .files a[href*="/artifacts?path="]' },
  { name: "artifact", from: "artifacts", find: '.files li:has(.file-get) a[href*="/artifacts?path="]' },
  { name: "models", path: "/models" },
  { name: "model", from: "/models", find: 'tbody tr:has(a[href^="/deployments/"]) th a[href^="/models/"]' },
  { name: "model-any", from: "/models", find: 'tbody th a[href^="/models/"]' },
  { name: "model-of-many-versions", from: "/models?name=energy-demand", find: 'tbody th a[href^="/models/"]' },
  { name: "version", from: "model", find: 'tbody tr:has(a[href^="/deployments/"]) th a[href*="/versions/"]' },
  { name: "version-any", from: "model-any", find: 'tbody th a[href*="/versions/"]' },
  { name: "version-of-a-script", from: "/models?name=digits-forest", find: 'tbody td a[href^="/models/digits-forest/versions/"]' },
  { name: "datasets", path: "/datasets" },
  { name: "dataset", from: "/datasets", find: 'tbody th a[href^="/datasets/"]' },
  { name: "deployments", path: "/deployments" },
  { name: "deployment", from: "/deployments", find: 'tbody th a[href^="/deployments/"]' },
  { name: "gpus", path: "/gpus" },
  { name: "gpus-plan", from: "/gpus", find: '.gpu-form a[href^="/gpus?plan=1"]' },
  { name: "system", path: "/system" },
  { name: "pods", path: "/system/pods" },
  { name: "pod", from: "/system/pods", find: 'tbody tr:has(.pill-good) th a[href^="/system/pods/"]' },
  { name: "images", path: "/system/images" },
  { name: "objects", path: "/system/objects" },
  { name: "events", path: "/system/events" },
  { name: "front", path: "/front/" },
  { name: "front-not-found", path: "/front/models/none", status: 404 },
  { name: "access", path: "/access" },
  { name: "not-found", path: "/no/such/page", status: 404 },
];

export async function visitPages(lab) {
  const paths = await findPages(lab);
  for (const screen of screens) {
    await lab.page.setViewportSize({ width: screen.width, height: screen.height });
    for (const { name, status } of pages) {
      const path = paths.get(name);
      if (!path) continue;
      const visit = async () => {
        for (const colorScheme of screen.schemes) {
          const first = colorScheme === screen.schemes[0];
          const title = `${name}-${screen.name}-${colorScheme}`;
          await lab.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
          if (first) await lab.go(path);
          await lab.shot(title);
          await lab.checkOverflow(title);
          if (first) await lab.checkAccess(title);
          if (first && screen.name === "phone") {
            // The narrowest phones in use.
            await lab.page.setViewportSize({ width: 360, height: 740 });
            await lab.checkOverflow(`${title} at 360 px`);
            await lab.page.setViewportSize({ width: screen.width, height: screen.height });
          }
          await checkLive(lab, title);
        }
      };
      if (status) await lab.expecting(status, visit);
      else await visit();
    }
  }
  await lab.page.setViewportSize({ width: 1280, height: 800 });
  await lab.page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

async function findPages(lab) {
  const paths = new Map();
  for (const { name, path, from, find, make } of pages) {
    if (path) {
      paths.set(name, path);
      lab.seen.add(name);
      continue;
    }
    if (make) {
      const made = await make(lab);
      if (!made) continue;
      paths.set(name, made);
      lab.seen.add(name);
      continue;
    }
    const start = paths.get(from) ?? (from.startsWith("/") ? from : undefined);
    if (!start) continue;
    await lab.go(start);
    const link = lab.page.locator(find).first();
    if ((await link.count()) === 0) continue;
    paths.set(name, await link.getAttribute("href"));
    lab.seen.add(name);
  }
  return paths;
}

// checkLive makes sure that nothing on the page is stuck: charts with data are
// drawn, and the banner of a lost connection is away.
async function checkLive(lab, name) {
  const stuck = await lab.page.evaluate(() => {
    const out = [];
    for (const figure of document.querySelectorAll("[data-chart]")) {
      const chart = JSON.parse(figure.dataset.chart);
      if (chart.x?.length && !figure.querySelector("canvas")) out.push(`${figure.id} has data and is not drawn`);
    }
    for (const figure of document.querySelectorAll("[data-curves]")) {
      if (!figure.querySelector("canvas")) out.push(`${figure.id} has curves and is not drawn`);
    }
    const banner = document.getElementById("banner");
    if (banner && !banner.hidden) out.push(`the banner says: ${banner.textContent}`);
    return out;
  });
  for (const what of stuck) lab.fail(name, what);
}
