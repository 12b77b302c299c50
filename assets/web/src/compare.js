import { Curves } from "./curves.js";
import { clamp } from "./nearest.js";

// The page that compares runs: the server has drawn everything but the
// curves; this lights up the run under the pointer everywhere, says what it
// is, and picks out runs by dragging along an axis.

const brushes = new Map(); // name of an axis → [top, bottom]
let curves; // of the figure that is on the page
let lit = null;

const runOf = (element) => (element ? Number(element.dataset.run) : null);
const marks = (run) => document.querySelectorAll(`[data-run="${run}"]`);

function light(run) {
  if (run === lit) return;
  for (const mark of lit === null ? [] : marks(lit)) mark.classList.remove("lit");
  lit = run;
  showLit();
}

function showLit() {
  for (const mark of lit === null ? [] : marks(lit)) mark.classList.add("lit");
  for (const plot of document.querySelectorAll(".parallel, .scatter")) plot.classList.toggle("dimmed", lit !== null);
  curves?.focus(lit);
}

// tell shows a text beside the pointer, inside its figure.
function tell(event, mark) {
  const figure = mark.closest("figure");
  let tip = figure.querySelector(".tip");
  if (!tip) {
    tip = document.createElement("div");
    tip.className = "tip";
    figure.append(tip);
  }
  if (tip.textContent !== mark.dataset.tip) tip.textContent = mark.dataset.tip;
  const area = figure.getBoundingClientRect();
  const x = event.clientX - area.left;
  const left = x + 16 + tip.offsetWidth > area.width ? x - tip.offsetWidth - 16 : x + 16;
  const top = clamp(event.clientY - area.top - tip.offsetHeight - 10, 4, area.height - tip.offsetHeight - 4);
  tip.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
}

function hush() {
  for (const tip of document.querySelectorAll(".tip")) tip.remove();
}

// pickOut leaves those runs in sight that lie in the range of every brush.
function pickOut() {
  const out = new Set();
  const zones = [...document.querySelectorAll("[data-axis]")];
  const titles = zones.map((zone) => zone.dataset.title);
  const lines = [...document.querySelectorAll(".parallel a[data-run]")];
  for (const line of lines) {
    const heights = line.querySelector("polyline").getAttribute("points").split(" ").map((point) => Number(point.split(",")[1]));
    const inside = [...brushes].every(([title, [top, bottom]]) => {
      const i = titles.indexOf(title);
      return i < 0 || (heights[i] >= top && heights[i] <= bottom);
    });
    if (!inside) out.add(runOf(line));
  }
  for (const mark of document.querySelectorAll("[data-run]")) mark.classList.toggle("out", out.has(runOf(mark)));
  for (const zone of zones) drawBrush(zone, brushes.get(zone.dataset.title));
  const note = document.querySelector("[data-brushed]");
  if (note) {
    note.textContent = brushes.size
      ? `${lines.length - out.size} of ${lines.length} runs picked out; click an axis to clear it.`
      : "Drag along an axis to pick out runs.";
  }
  if (curves && (out.size || curves.out.size)) curves.dim(out);
}

function drawBrush(zone, range) {
  let brush = zone.querySelector(".brush");
  if (!range) {
    brush?.remove();
    return;
  }
  if (!brush) {
    brush = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    zone.append(brush);
  }
  for (const [name, value] of Object.entries({ class: "brush", x: -8, width: 16, y: range[0], height: range[1] - range[0] })) brush.setAttribute(name, value);
}

function startBrush(event) {
  const zone = event.target.closest?.("[data-axis]");
  if (!zone || event.button !== 0) return;
  event.preventDefault();
  const area = event.target.getBoundingClientRect();
  const at = (e) => clamp(e.clientY - area.top, 0, area.height);
  const { title } = zone.dataset;
  const from = at(event);
  let moved = false;
  const move = (e) => {
    const to = at(e);
    moved ||= Math.abs(to - from) > 3;
    if (!moved) return;
    brushes.set(title, [Math.min(from, to), Math.max(from, to)]);
    pickOut();
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    if (!moved) brushes.delete(title);
    pickOut();
  };
  hush();
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

// startCompare looks after the figures again, on a new page and after each
// live update, which may have put others in their place.
export function startCompare() {
  const figure = document.getElementById("compare-curves");
  if (curves && curves.figure !== figure) {
    curves.destroy();
    curves = undefined;
  }
  if (figure && !curves) curves = new Curves(figure, light);
  else curves?.update();
  if (document.getElementById("compare-parallel")) pickOut();
  if (lit !== null) showLit();
}

document.addEventListener("pointermove", (event) => {
  if (!curves && !document.querySelector(".compare-figure")) return;
  const mark = event.target.closest?.("[data-run]");
  if (!event.target.closest?.("#compare-curves .chart-plot")) light(runOf(mark));
  if (mark?.dataset.tip && event.buttons === 0) tell(event, mark);
  else hush();
});
document.addEventListener("pointerdown", startBrush);
addEventListener("benchtop:theme", () => curves?.draw());
