// Follows logs by server-sent events, keeps the last lines and stays at the
// end unless the reader scrolls up.

import { whileVisible } from "./visible.js";

const keep = 2000;
const started = new WeakSet();

export function startLogs(root) {
  if (!root.querySelectorAll) return;
  for (const box of root.querySelectorAll("[data-log]")) {
    if (started.has(box)) continue;
    started.add(box);
    follow(box);
  }
}

function follow(box) {
  const pre = box.querySelector("pre");
  const state = box.querySelector(".logstate");
  const button = box.querySelector("[data-log-follow]");
  let following = true;
  let failures = 0;
  let source;
  let paused = false;
  let ended = false;

  const setFollowing = (value) => {
    following = value;
    button.setAttribute("aria-pressed", String(value));
    if (value) pre.scrollTop = pre.scrollHeight;
  };
  button.addEventListener("click", () => setFollowing(!following));
  pre.addEventListener("scroll", () => {
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
    if (atEnd !== following) setFollowing(atEnd);
  });

  const append = (text) => {
    const lines = document.createDocumentFragment();
    for (const line of text.split("\n")) {
      const span = document.createElement("span");
      span.className = /\b(ERROR|CRITICAL|Traceback|FATAL)\b|level=error/.test(line) ? "line line-alarm" : "line";
      span.textContent = `${line}\n`;
      lines.append(span);
    }
    pre.append(lines);
    while (pre.childElementCount > keep) pre.firstElementChild.remove();
    if (following) pre.scrollTop = pre.scrollHeight;
  };

  const connect = () => {
    if (!document.body.contains(box) || paused) return;
    source = new EventSource(box.dataset.log);
    source.onopen = () => {
      failures = 0;
      pre.replaceChildren(); // each connection starts with the last lines again
      state.textContent = "live";
    };
    source.addEventListener("lines", (event) => append(event.data));
    source.addEventListener("end", (event) => {
      source.close();
      ended = true;
      state.textContent = event.data;
    });
    source.onerror = () => {
      source.close();
      failures += 1;
      state.textContent = pre.childElementCount ? "connection lost, trying again…" : "waiting for the log…";
      setTimeout(connect, Math.min(1000 * 2 ** failures, 15000));
    };
  };
  whileVisible(
    () => {
      paused = true;
      source?.close();
    },
    () => {
      paused = false;
      if (!ended) connect();
    },
  );
  connect();
}
