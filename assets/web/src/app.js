import htmx from "htmx.org";
import "htmx-ext-sse";
import { Idiomorph } from "idiomorph/htmx";
import { startCharts, updateCharts } from "./charts.js";
import { startCompare } from "./compare.js";
import { startLogs } from "./logs.js";
import { startTimes, refreshTimes } from "./times.js";
import { startTheme } from "./theme.js";
import { startCopying } from "./copy.js";
import { refreshSelection, startSelection } from "./selection.js";
import { startConnection } from "./connection.js";

// A live update must not disturb what the reader is doing: drawn charts, open
// panels, scrolled logs and the relative times stay as they are.
Idiomorph.defaults.callbacks.beforeNodeMorphed = (from, to) => {
  if (from.nodeType !== Node.ELEMENT_NODE) return true;
  if (from.matches("[data-chart], [data-log]") && from.id === to.id) return false;
  if (from.matches("[data-curves] :is(.chart-plot, .chart-now)")) return false;
  if (from.matches("time") && from.dateTime === to.dateTime) return false;
  if (from.matches("[data-copy-text]")) return false; // "Copied" stays for its two seconds
  return true;
};
// What the reader has opened, ticked or turned to is theirs, whatever the server sends.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
  !(name === "open" && node.tagName === "DETAILS") && !(name === "checked" && node.type === "checkbox") && !(name === "aria-current" && node.dataset.step);

document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
  const { type, data } = event.detail;
  if (type === "charts") {
    event.preventDefault();
    updateCharts(JSON.parse(data));
  } else if (type === "build") {
    event.preventDefault();
    if (data !== document.querySelector('meta[name="benchtop-build"]').content) location.reload();
  } else if (type === "view") {
    event.preventDefault();
    if (data !== document.getElementById("page").dataset.view) location.reload();
  }
});

function settle(root) {
  refreshTimes(root);
  startCharts(root);
  startCompare();
  startLogs(root);
  refreshSelection();
}
document.body.addEventListener("htmx:afterSettle", (event) => settle(event.target));
document.body.addEventListener("htmx:sseMessage", (event) => settle(event.target));

startTheme();
startTimes();
startCharts(document);
startCompare();
startLogs(document);
startCopying();
startSelection();
startConnection();

// A link to a unit opens its panel.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

window.htmx = htmx;
