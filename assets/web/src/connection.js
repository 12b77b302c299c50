// Says when the page has lost its server, and when it is back. If the session
// is gone instead, the page asks for sign-in.

import htmx from "htmx.org";
import { whileVisible } from "./visible.js";

const lostAfter = 1500;

let stream;
htmx.createEventSource = (url) => {
  stream = new EventSource(url);
  return stream;
};

// retryPage reloads a page that could not be shown while the lab starts.
function retryPage() {
  if (document.querySelector("[data-retry]")) setTimeout(() => location.reload(), 3000);
}

export function startConnection() {
  retryPage();
  const banner = document.getElementById("banner");
  let timer;
  let leaving = false;

  addEventListener("pagehide", () => (leaving = true));

  document.body.addEventListener("htmx:sseError", () => {
    if (leaving || timer) return;
    timer = setTimeout(async () => {
      timer = undefined; // the next failure asks again
      if (leaving) return;
      try {
        const answer = await fetch("/session", { cache: "no-store" });
        if (answer.status === 401) return location.reload();
      } catch {
        // The server is gone; the banner says so.
      }
      if (stream?.readyState === EventSource.OPEN) return; // it came back meanwhile
      banner.textContent = "The connection to Benchtop is lost. Trying again…";
      banner.hidden = false;
    }, lostAfter);
  });

  // The extension opens a new stream when the old one fails for good. To make
  // it do that at another time, close the stream and say so.
  whileVisible(
    () => stream?.close(),
    () => stream?.onerror?.(new Event("error")),
  );

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
