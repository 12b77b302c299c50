// Says when the page has lost its server, and that it is back. When the
// session is what is gone, the page asks for sign-in instead.

const lostAfter = 1500;

export function startConnection() {
  const banner = document.getElementById("banner");
  let timer;
  let leaving = false;

  addEventListener("pagehide", () => (leaving = true));

  document.body.addEventListener("htmx:sseError", () => {
    if (leaving || timer) return;
    timer = setTimeout(async () => {
      if (leaving) return;
      try {
        const answer = await fetch("/session", { cache: "no-store" });
        if (answer.status === 401) return location.reload();
      } catch {
        // The server is gone; the banner says so.
      }
      banner.textContent = "The connection to Benchtop is lost. Trying again…";
      banner.hidden = false;
    }, lostAfter);
  });

  document.body.addEventListener("htmx:sseOpen", () => {
    clearTimeout(timer);
    timer = undefined;
    banner.hidden = true;
    banner.textContent = "";
  });

  document.body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) return location.reload();
    banner.textContent = "That did not work; the server's log says why.";
    banner.hidden = false;
  });
  document.body.addEventListener("htmx:sendError", () => {
    banner.textContent = "Benchtop did not answer. Is it still running?";
    banner.hidden = false;
  });
}
