// The bench of a guided lab, but for its terminal: turning to another task without
// loading the page, and forms that leave the page, and so the terminal, as it is.

function turnTo(id, push = true) {
  const panels = [...document.querySelectorAll("[data-panel]")];
  if (!panels.some((panel) => panel.dataset.panel === id)) return false;
  for (const panel of panels) panel.hidden = panel.dataset.panel !== id;
  for (const link of document.querySelectorAll("[data-step]")) link.setAttribute("aria-current", link.dataset.step === id ? "page" : "false");
  const link = document.querySelector(`[data-step="${CSS.escape(id)}"]`);
  if (push) history.pushState(null, "", link.href);
  link.scrollIntoView({ block: "nearest", inline: "nearest" });
  document.getElementById("text").scrollTop = 0;
  return true;
}

function stepOf(address) {
  const query = new URL(address, location.href).searchParams;
  return query.get("show") ?? query.get("task");
}

// say shows what has become of a form, until the next one.
function say(text, bad) {
  const said = document.getElementById("said");
  said.hidden = !text;
  said.textContent = text;
  said.classList.toggle("bench-said-bad", Boolean(bad));
}

async function send(form, submitter) {
  const buttons = [...form.querySelectorAll("button"), ...(submitter ? [submitter] : [])];
  for (const button of buttons) button.disabled = true;
  say(form.dataset.busy ?? "");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      if (form.hasAttribute("data-once")) form.remove();
      form.closest(".menu")?.removeAttribute("open");
      say("");
      return;
    }
    if (answer.status === 401) return location.reload();
    const body = await answer.json();
    say(answer.ok ? "" : body.message, !answer.ok);
    const into = answer.ok && document.getElementById(form.dataset.into);
    if (into) {
      into.textContent = body.output;
      into.hidden = false;
    }
  } catch {
    say("Benchtop did not answer. Is it still running?", true);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

export function startBench() {
  if (!document.querySelector(".bench")) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-step], a[data-step-to]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const id = stepOf(link.href);
    if (!turnTo(id)) return;
    event.preventDefault();
    // Who follows a link in the text goes on reading there.
    if (!link.dataset.step) document.querySelector(`[data-panel="${CSS.escape(id)}"] h2`).focus();
  });
  document.querySelector('[data-step][aria-current="page"]').scrollIntoView({ block: "nearest", inline: "nearest" });
  const first = document.querySelector("[data-panel]:not([hidden])")?.dataset.panel;
  addEventListener("popstate", () => turnTo(stepOf(location.href) ?? first, false));
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-quiet]")) return;
    event.preventDefault();
    send(event.target, event.submitter);
  });
  // A menu closes when one goes elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
