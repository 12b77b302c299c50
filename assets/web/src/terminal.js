// The terminal of a guided lab: xterm.js over a WebSocket. Binary messages are keys
// and output, text messages are JSON: sizes from here, last words from the server.

import "./sheets.js";
import { Terminal } from "@xterm/xterm";
import { FitAddon } from "@xterm/addon-fit";
import { startBench } from "./bench.js";
import { isDark } from "./theme.js";
import { whileVisible } from "./visible.js";

const longestWait = 10000;
const piece = 16 << 10; // the server takes messages of up to four times this

const light = {
  black: "#14201d", red: "#a8201a", green: "#12633b", yellow: "#7a4a00", blue: "#0b559f", magenta: "#8b2a76", cyan: "#0b6a5e", white: "#dbe1de",
  brightBlack: "#5f6c68", brightRed: "#c9302a", brightGreen: "#1c7f4f", brightYellow: "#92600c", brightBlue: "#2a70bd", brightMagenta: "#a8408f", brightCyan: "#17806f", brightWhite: "#f4f6f5",
};
const dark = {
  black: "#27322f", red: "#ff9f97", green: "#7be0a8", yellow: "#f5c26b", blue: "#8cc2ff", magenta: "#f0a6dc", cyan: "#57d3bb", white: "#d9e4e1",
  brightBlack: "#92a29d", brightRed: "#ffbdb7", brightGreen: "#a5f0c6", brightYellow: "#ffdb9b", brightBlue: "#b4d8ff", brightMagenta: "#f7c6ea", brightCyan: "#8ae6d4", brightWhite: "#ffffff",
};

// theme takes the colours of the page.
function theme() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return {
    ...(isDark() ? dark : light),
    background: colour("--surface"), foreground: colour("--ink"), cursor: colour("--accent"), cursorAccent: colour("--surface"), selectionBackground: isDark() ? "#2f5d54" : "#b5ddd4",
    scrollbarSliderBackground: isDark() ? "#92a29d55" : "#5f6c6855",
  };
}

const readerKey = "benchtop-terminal-reader";

function remembered() {
  try {
    return localStorage.getItem(readerKey) === "true";
  } catch {
    return false; // not allowed here
  }
}

function start(box) {
  const state = document.getElementById("terminal-state");
  const term = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono").trim(), fontSize: 13, cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    scrollback: 5000, theme: theme(), minimumContrastRatio: 4.5, screenReaderMode: remembered(), macOptionIsMeta: true,
  });
  // tmux asks which terminal this is. An answer that comes late, over a slow
  // connection, would be typed into the shell; none is needed.
  for (const question of [{ final: "c" }, { prefix: ">", final: "c" }, { prefix: ">", final: "q" }]) {
    term.parser.registerCsiHandler(question, () => true);
  }
  const fit = new FitAddon();
  term.loadAddon(fit);
  term.open(box);
  term.textarea.setAttribute("aria-label", "Terminal. Control, Shift and left arrow leave it.");
  fit.fit();
  addEventListener("benchtop:theme", () => (term.options.theme = theme()));

  let socket;
  let failures = 0;
  let timer;
  let paused = false;
  const open = () => socket?.readyState === WebSocket.OPEN;
  const encoder = new TextEncoder();
  const send = (bytes) => {
    for (let at = 0; open() && at < bytes.length; at += piece) socket.send(bytes.subarray(at, at + piece));
  };
  term.onData((text) => send(encoder.encode(text)));
  term.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  const sendSize = () => open() && socket.send(JSON.stringify({ columns: term.cols, rows: term.rows }));
  term.onResize(sendSize);
  new ResizeObserver(() => fit.fit()).observe(box);

  // connect comes back by itself, later and later, unless the server says that it
  // is of no use.
  const connect = () => {
    clearTimeout(timer);
    timer = undefined;
    if (paused || open() || socket?.readyState === WebSocket.CONNECTING) return;
    let again = true;
    let words;
    const address = new URL(box.dataset.terminal, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(address);
    socket = mine;
    mine.binaryType = "arraybuffer";
    mine.onopen = () => {
      state.textContent = "";
      if (failures) term.reset(); // the shell draws its screen anew
      sendSize();
    };
    mine.onmessage = ({ data }) => {
      if (typeof data === "string") {
        ({ say: words, again } = JSON.parse(data));
        return;
      }
      failures = 0;
      term.write(new Uint8Array(data));
    };
    mine.onclose = async () => {
      if (paused) return;
      failures += 1;
      const text = words ?? "The connection is lost.";
      if (!again) {
        state.textContent = text;
        term.write(`\r\n\x1b[7m ${text} \x1b[0m\r\n`);
        return;
      }
      state.textContent = `${text} Trying again…`;
      if (failures === 1) term.write(`\r\n\x1b[7m ${text} Trying again… \x1b[0m\r\n`);
      timer = setTimeout(async () => {
        try {
          if (failures > 1 && (await fetch("/session", { cache: "no-store" })).status === 401) return location.reload();
        } catch {
          // The server is gone; it may come back.
        }
        connect();
      }, Math.min(500 * 2 ** (failures - 1), longestWait));
    };
  };
  whileVisible(
    () => {
      paused = true;
      clearTimeout(timer);
      socket?.close();
    },
    () => {
      paused = false;
      failures = Math.max(failures, 1); // what is on the screen comes again
      connect();
    },
  );
  connect();

  // A way out by keyboard: every other key belongs to the shell.
  term.attachCustomKeyEventHandler((event) => {
    if (event.key !== "ArrowLeft" || !event.ctrlKey || !event.shiftKey) return true;
    if (event.type === "keydown") {
      event.preventDefault();
      document.querySelector("[data-panel]:not([hidden]) h2").focus();
    }
    return false;
  });
  for (const link of document.querySelectorAll("[data-to-terminal]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      term.focus();
    });
  }
  const reader = document.querySelector("[data-terminal-reader]");
  reader.hidden = false;
  document.querySelector(".terminal-keys").hidden = false;
  const showReader = () => reader.setAttribute("aria-pressed", String(Boolean(term.options.screenReaderMode)));
  showReader();
  reader.addEventListener("click", () => {
    term.options.screenReaderMode = !term.options.screenReaderMode;
    showReader();
    try {
      localStorage.setItem(readerKey, String(term.options.screenReaderMode));
    } catch {
      // It holds for this page then.
    }
  });

  // Code runs as if it were pasted, and Enter pressed.
  const showRun = (root) => root.querySelectorAll?.("[data-run]").forEach((button) => (button.hidden = false));
  document.body.addEventListener("htmx:sseMessage", (event) => showRun(event.target));
  showRun(document);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-run]");
    if (!button) return;
    if (!open()) {
      state.textContent = "The terminal is not connected yet.";
      return;
    }
    term.paste(button.parentElement.querySelector("pre").textContent);
    send(encoder.encode("\r"));
    term.focus();
  });
}

startBench();

// On phones there is no room for a terminal, and so none is started.
const box = document.querySelector("[data-terminal]");
const wide = matchMedia("(min-width: 861px)");
const begin = () => {
  if (!box || !wide.matches) return;
  wide.removeEventListener("change", begin);
  start(box);
};
wide.addEventListener("change", begin);
begin();
