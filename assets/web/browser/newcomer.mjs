// A newcomer takes guided labs: each function is a part of one story. What they do
// is what the pages say, with the mistakes that people make.
import { another } from "./session.mjs";
import { enter, prompt, says, screenOf, shows } from "./terminal.mjs";

const laptop = { width: 1280, height: 720 };
const phone = { width: 390, height: 844 };

const lab1 = "from-name-to-pod";
const lab2 = "where-volumes-live";

// takes bounds how long a room or its pods may take to be there, in milliseconds.
const takes = 120000;

const panel = (lab, id) => lab.page.locator(`#task-${id}`);
const step = (lab, id) => lab.page.locator(`#step-${id}`);
const current = (lab) => lab.page.locator('[data-step][aria-current="page"]').getAttribute("data-step");

// looks keeps pictures in light and dark, on a laptop and on a phone. What people with
// other eyes need is looked at in each scheme once, and on each screen once.
async function looks(lab, name) {
  const { page } = lab;
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [screen, size] of [["laptop", laptop], ["phone", phone]]) {
      await page.setViewportSize(size);
      await lab.shot(`${name}-${screen}-${scheme}`);
      await lab.checkOverflow(`${name} on a ${screen}`);
      if ((scheme === "light") === (screen === "laptop")) await lab.checkAccess(`${name} on a ${screen}, ${scheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(laptop);
}

// green waits until a task is passed without anything being pressed, and says how
// long that took since the command was entered.
async function green(lab, id, since, command) {
  await lab.page.locator(`#step-${id}.step-passed`).waitFor({ timeout: takes });
  console.log(`${id}: passed ${((Date.now() - since) / 1000).toFixed(1)} s after ${command}`);
  const verdict = panel(lab, id).locator(".verdict-good").first();
  await verdict.waitFor();
  lab.expect("task", `${id} to say that it is passed`, /^Passed/.test(await verdict.innerText()));
}

// sees waits until the task says what was found in place of what it wants.
async function sees(lab, id, pattern) {
  const saw = panel(lab, id).locator(".verdict", { hasText: pattern });
  await saw.waitFor({ timeout: takes }).catch(async () => {
    lab.expect("task", `${id} to see ${pattern}, got ${await panel(lab, id).locator(".verdict").first().innerText()}`, false);
  });
  lab.expect("task", `${id} to be open`, (await step(lab, id).getAttribute("class")).includes("step-open"));
}

// run presses the button of the block of code that contains a text.
async function run(lab, text) {
  await prompt(lab);
  const block = lab.page.locator("[data-panel]:not([hidden]) .codeblock", { hasText: text }).first();
  const at = Date.now();
  await block.locator("[data-run]").click();
  await lab.page.waitForTimeout(300);
  return at;
}

// hint asks for one more hint of what is shown.
async function hint(lab, pattern) {
  const shown = lab.page.locator("[data-panel]:not([hidden])");
  const before = await shown.locator(".hints > li").count();
  await shown.getByRole("button", { name: /hint$/ }).click();
  const added = shown.locator(".hints > li").nth(before);
  await added.waitFor();
  lab.expect("hint", `a hint about ${pattern}, got ${await added.innerText()}`, pattern.test(await added.innerText()));
}

async function next(lab, id) {
  await lab.page.locator("[data-panel]:not([hidden]) .verdict a[data-step-to]").click();
  lab.expect("bench", `the link to lead to ${id}, got ${await current(lab)}`, (await current(lab)) === id);
}

// start finds a lab in the catalogue and opens it.
export async function start(lab) {
  const { page } = lab;
  await lab.go("/labs");
  await looks(lab, "labs");
  await page.locator(".lab-card h3 a", { hasText: "From name to pod" }).click();
  await page.waitForURL(`**/labs/${lab1}`);
  await lab.settle();
  await looks(lab, "about");
  const at = Date.now();
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("[data-run]:visible").first().waitFor({ timeout: takes });
  await prompt(lab, 120);
  console.log(`the lab is open with a prompt ${((Date.now() - at) / 1000).toFixed(1)} s after Start`);
  lab.expect("start", "the first task to be turned to", (await current(lab)) === "pods");
  await page.locator("#intro summary").click();
  lab.expect("start", "what the lab is about", await page.locator("#intro .prose").isVisible());
  await page.locator("#intro summary").click();
  await lab.shot("bench-new-laptop-light");
  await lab.checkOverflow("bench, new");
  await lab.checkAccess("bench, new");
  // On a laptop all of it is in one window.
  const high = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
  lab.expect("bench", `a page that is no higher than the window at 1280×720, got ${high} px more`, high <= 0);
}

// pods is the first task: by the buttons of its blocks of code, and then by hand.
export async function pods(lab) {
  const { page } = lab;
  await sees(lab, "pods", /no Deployment named model/);
  await run(lab, "cat coefficients.json");
  await shows(lab, "the model's numbers", /\d\.\d|\{/);
  const choice = panel(lab, "pods").locator(".question label", { hasText: "Another one" });
  await choice.locator("input").check();
  await panel(lab, "pods").getByRole("button", { name: "Answer" }).click();
  await panel(lab, "pods").locator(".answered .pill", { hasText: "right" }).waitFor();
  await run(lab, "kubectl create configmap");
  await run(lab, "kubectl apply -f deployment.yaml");
  await sees(lab, "pods", /1 of 1 pods .* two are expected/);
  await page.locator(".scene .thing-name", { hasText: /^model-/ }).first().waitFor();
  await lab.shot("task-not-yet-laptop-light");
  await says(lab, `curl -s "http://$(kubectl get pods -l app=model -o jsonpath='{.items[0].status.podIP}'):8080/predict?km=4"`, /minutes/);
  const at = await enter(lab, "kubectl scale deployment model --replicas 2");
  await green(lab, "pods", at, "kubectl scale");
  await lab.shot("task-passed-laptop-light");
  await lab.checkAccess("task passed");
}

// service is the second: a wrong port first, a hint, and a reload in the middle.
export async function service(lab) {
  const { page } = lab;
  await next(lab, "service");
  await sees(lab, "service", /no Service named model/);
  await panel(lab, "service").locator(".question-value input").fill("3");
  await panel(lab, "service").locator(".question-value input").press("Enter");
  await panel(lab, "service").locator(".answered", { hasText: "not quite" }).waitFor();
  lab.expect("question", "the right answer, and why", /It is\s+2[\s\S]*endpoint/.test(await panel(lab, "service").locator(".answered").innerText()));
  await says(lab, "kubectl expose deployment model --port 80", /exposed/);
  await sees(lab, "service", /no answer; an estimate is expected. The Service sends port 80 to port 80/);
  await hint(lab, /nobody listens/);
  await lab.shot("task-wrong-laptop-light");
  await lab.checkAccess("task with a hint");
  await page.emulateMedia({ colorScheme: "dark" });
  await lab.shot("task-wrong-laptop-dark");
  await lab.checkAccess("task with a hint, dark");
  await page.emulateMedia({ colorScheme: "light" });

  await says(lab, 'MINE=kept; cd /tmp; echo "shell $$ is here"', /shell \d+ is here/);
  const shell = /shell (\d+) is here/.exec(await screenOf(lab))?.[1];
  await page.reload({ waitUntil: "load" });
  await prompt(lab);
  lab.expect("reload", `the task to stay, got ${await current(lab)}`, (await current(lab)) === "service");
  lab.expect("reload", "the hint to stay", (await panel(lab, "service").locator(".hints > li").count()) === 1);
  await says(lab, 'echo "still $MINE in $PWD by $$"', new RegExp(`still kept in /tmp by ${shell}\\b`));
  await says(lab, "cd; pwd", /\/home\/lab/);

  await says(lab, "kubectl delete service model", /deleted/);
  const at = await enter(lab, "kubectl expose deployment model --port 80 --target-port 8080");
  await green(lab, "service", at, "kubectl expose");
  await run(lab, "for i in 1 2 3");
  await shows(lab, "estimates", /minutes/);
  lab.seen.add("reload").add("hint").add("question");
}

// rest takes the other tasks.
export async function rest(lab) {
  await next(lab, "name");
  await run(lab, "kubectl logs deployment/shop");
  await sees(lab, "name", /The shop is not ready: it asks http:\/\/model.warehouse/);
  let at = await enter(lab, "kubectl set env deployment/shop MODEL_URL=http://model");
  await green(lab, "name", at, "kubectl set env");

  await next(lab, "ingress");
  await run(lab, "curl -si -H");
  await shows(lab, "a 404 of the ingress", /404/);
  await says(lab, `kubectl create ingress model --rule="$LAB.$DOMAIN/*=model:8080"`, /created/);
  await sees(lab, "ingress", /an estimate is expected. The Ingress sends .*model:8080; Service model has port 80\./);
  await says(lab, "kubectl delete ingress model", /deleted/);
  at = await enter(lab, `kubectl create ingress model --rule="$LAB.$DOMAIN/*=model:80"`);
  await green(lab, "ingress", at, "kubectl create ingress");

  await next(lab, "aside");
  at = await enter(lab, "kubectl label $(kubectl get pods -l app=model -o name | head -n 1) app-");
  await green(lab, "aside", at, "kubectl label");
  const facts = lab.page.locator(".bench-facts", { hasText: "5 of 5 tasks passed" });
  await facts.waitFor();
  await lab.shot("all-passed-laptop-light");
  await lab.checkAccess("all passed");
}

// faults are what the lab can break: how each is found, and how it is mended.
const faults = [
  { name: "readiness", look: "kubectl get pods -l app=model", sign: /model-\S+\s+0\/1/, mend: `kubectl patch deployment model -p '{"spec":{"template":{"spec":{"containers":[{"name":"model","readinessProbe":{"httpGet":{"path":"/healthz","port":8080}}}]}}}}'` },
  { name: "selector", look: "kubectl get service model -o wide", sign: /app=modle/, mend: "kubectl set selector service model app=model" },
  { name: "target-port", look: "kubectl describe service model", sign: /TargetPort:\s+8081/, mend: `kubectl patch service model --type json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8080}]'` },
  { name: "policy", look: "kubectl get networkpolicies", sign: /only-neighbours/, mend: "kubectl delete networkpolicy only-neighbours" },
  { name: "ingress-host", look: "kubectl get ingress", sign: /www\./, mend: `kubectl patch ingress model --type json -p "[{\\"op\\":\\"replace\\",\\"path\\":\\"/spec/rules/0/host\\",\\"value\\":\\"$LAB.$DOMAIN\\"}]"` },
  { name: "ingress-service", look: "kubectl describe ingress model", sign: /models:80/, mend: `kubectl patch ingress model --type json -p '[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"model"}]'` },
];

// breakIt lets something be broken by chance, looks for it from one end to the other,
// and mends it.
export async function breakIt(lab) {
  const { page } = lab;
  await next(lab, "break");
  await page.locator("#break-form input[name=timed]").check();
  await page.getByRole("button", { name: /^Break/ }).click();
  const box = page.locator(".break");
  await box.locator(".verdict", { hasText: "Still broken" }).waitFor({ timeout: takes });
  await box.locator(".verdict", { hasText: "is expected" }).waitFor({ timeout: takes });
  await hint(lab, /\w/);
  await lab.settle();
  await looks(lab, "broken");
  await says(lab, `curl -si -m 3 -o /dev/null -w 'code %{http_code}\\n' -H "Host: $LAB.$DOMAIN" "http://$ADDRESS/predict?km=4"`, /code (?!200)\d+/);

  let found;
  for (const fault of faults) {
    await enter(lab, fault.look);
    await prompt(lab);
    if (!fault.sign.test(await screenOf(lab))) continue;
    found = fault;
    break;
  }
  lab.expect("break", "one of the lab's faults to be found", found);
  if (!found) return;
  await page.waitForTimeout(1000);
  lab.expect("break", "looking not to mend anything", (await box.locator("[data-looking]").count()) === 1);
  const at = await enter(lab, found.mend);
  await box.locator("[data-looking]").waitFor({ state: "detached", timeout: takes });
  console.log(`${found.name}: mended ${((Date.now() - at) / 1000).toFixed(1)} s after the command (it has to hold for 2 s)`);
  await lab.settle();
  lab.expect("break", "what it was", (await box.locator(".prose").last().innerText()).length > 80);
  lab.expect("break", "the count of mended faults", /mended [1-6] of 6/.test(await box.innerText()));
  await looks(lab, "mended");
  lab.seen.add("broken").add("mended");
}

// tabTo presses Tab until an element that is wanted has the focus.
async function tabTo(lab, selector, text = "") {
  const { page } = lab;
  for (let i = 0; i < 150; i += 1) {
    await page.keyboard.press("Tab");
    const there = await page.evaluate(([wanted, words]) => document.activeElement.matches(wanted) && document.activeElement.textContent.includes(words), [selector, text]);
    if (!there) continue;
    lab.expect("keyboard", `a visible focus ring on ${selector}`, await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle === "solid" || getComputedStyle(document.activeElement).boxShadow !== "none"));
    return true;
  }
  throw new Error(`150 times Tab do not lead to ${selector} ${text}`);
}

// beside takes a second lab in a second tab, by keyboard only, while the first is
// open.
export async function beside(lab) {
  const tab = await another(lab);
  const { page } = tab;
  await page.setViewportSize(laptop);
  await tab.go("/labs");
  await tabTo(tab, ".lab-card h3 a", "Where does the volume live?");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/labs/${lab2}`);
  await tabTo(tab, ".lab-start button", "Start");
  await page.keyboard.press("Enter");
  await page.locator("[data-run]:visible").first().waitFor({ timeout: takes });
  await prompt(tab, 120);
  await tabTo(tab, "[data-run]", "Run");
  await page.keyboard.press("Enter");
  await shows(tab, "storage classes", /local-path/, 20);
  lab.expect("keyboard", "a block of code that runs to lead to the terminal", await page.evaluate(() => document.activeElement.matches(".xterm-helper-textarea")));
  await prompt(tab);
  await page.keyboard.type("sed -i s/20Mi/200Mi/ claim.yaml && kubectl apply -f claim.yaml");
  const at = Date.now();
  await page.keyboard.press("Enter");
  await green(tab, "claim", at, "kubectl apply");
  await page.keyboard.press("Control+Shift+ArrowLeft");
  lab.expect("keyboard", "a way out of the terminal, to the text", await page.evaluate(() => document.activeElement.matches("[data-panel]:not([hidden]) h2")));
  await tabTo(tab, "[data-panel] .verdict a[data-step-to]");
  await page.keyboard.press("Enter");
  lab.expect("keyboard", `the next task, got ${await current(tab)}`, (await current(tab)) === "first");
  await tab.shot("second-lab-laptop-light");
  await tab.checkAccess("second lab");

  // Each terminal is of its own lab, and neither moves the other's tasks.
  await says(lab, 'echo "I am in $LAB"', new RegExp(`I am in lab-${lab1}\\b`));
  await says(tab, 'echo "I am in $LAB"', new RegExp(`I am in lab-${lab2}\\b`));
  await says(tab, `kubectl get pods -n lab-${lab1}`, /[Ff]orbidden/);
  await says(lab, "kubectl get pvc", /No resources found/);
  lab.expect("two labs", "the first to be where it was", (await lab.page.locator(".step-passed").count()) === 5);
  lab.expect("two labs", "one task of the second to be passed", (await page.locator(".step-passed").count()) === 1);
  lab.seen.add("two labs").add("keyboard");
  return tab;
}

// onPhone opens a lab that is open on a phone: all but the terminal.
export async function onPhone(lab) {
  const onIt = await another(lab);
  const { page } = onIt;
  await page.setViewportSize(phone);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const id of ["service", "break"]) {
      const name = `bench-${id}-phone-${scheme}`;
      await onIt.go(`/labs/${lab1}?${id === "break" ? "show" : "task"}=${id}`);
      await onIt.shot(name);
      await onIt.checkOverflow(name);
      await onIt.checkAccess(name);
      lab.expect(name, "no terminal", (await page.locator(".xterm").count()) === 0 && !(await page.locator(".bench-terminal").isVisible()));
      lab.expect(name, "no button that runs code", (await page.locator("[data-run]:visible").count()) === 0);
      lab.expect(name, "what is there to be drawn", await page.locator(".scene .thing").first().isVisible());
      await page.setViewportSize({ width: 360, height: 740 });
      await onIt.checkOverflow(`${name} at 360 px`);
      await page.setViewportSize(phone);
    }
  }
  // A finger reaches another task.
  await page.locator('[data-step="pods"]').click();
  lab.expect("phone", "a tap to turn to a task", (await current(onIt)) === "pods");
  await page.close();
  lab.seen.add("phone");
}

// leave ends both labs: they ask first, as there is work in them.
export async function leave(lab, tab) {
  for (const [one, name] of [[tab, lab2], [lab, lab1]]) {
    const { page } = one;
    await lab.expecting(400, async () => {
      await page.getByRole("button", { name: "Leave", exact: true }).click();
      await page.getByRole("button", { name: "Remove it and leave" }).waitFor();
    });
    if (name === lab1) await looks(one, "leave");
    await page.getByRole("link", { name: "Stay" }).click();
    await page.waitForURL(`**/labs/${name}`);
    await prompt(one);
    await lab.expecting(400, async () => {
      await page.getByRole("button", { name: "Leave", exact: true }).click();
      await page.getByRole("button", { name: "Remove it and leave" }).waitFor();
    });
    await page.getByRole("button", { name: "Remove it and leave" }).click();
    await page.waitForURL("**/labs");
    if (name === lab1) continue;
    // The other lab does not notice.
    await says(lab, 'curl -s "http://model/predict?km=4"', /minutes/);
    lab.expect("leave", "the tasks of the other lab to stay", (await lab.page.locator(".step-passed").count()) === 5);
    await page.close();
  }
  const { page } = lab;
  await page.locator(".lab-open li", { hasText: "From name to pod" }).waitFor({ state: "detached", timeout: takes });
  const card = page.locator(".lab-card", { hasText: "From name to pod" }).first();
  lab.expect("leave", `what was reached to stay, got ${await card.innerText()}`, /5 of 5 tasks/.test(await card.innerText()) && /[1-6] of 6 faults/.test(await card.innerText()));
  await lab.shot("labs-afterwards-laptop-light");
  await lab.checkAccess("labs, afterwards");
  lab.seen.add("left");
}
