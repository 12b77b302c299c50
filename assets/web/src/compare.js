import { Curves } from "./curves.js";
import { clamp } from "./nearest.js";

// The page that compares runs. The server has drawn everything but the curves.
// This script highlights the run under the pointer everywhere, says which it
// is, and picks out runs by dragging along an axis.

const brushes = new Map(); // name of an axis → [highest, lowest] in its values, which stay right when its scale changes
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

// Heights on an axis and their values.
const ends = (zone) => [Number(zone.dataset.low), Number(zone.dataset.high), Number(zone.getAttribute("height"))];

function valueAt(zone, y) {
  const [low, high, height] = ends(zone);
  return high - (y / height) * (high - low);
}

function heightOf(zone, value) {
  const [low, high, height] = ends(zone);
  return ((high - value) / (high - low)) * height;
}

// pickOut shows the runs that lie in the range of every brush.
function pickOut() {
  const out = new Set();
  const zones = [...document.querySelectorAll("[data-axis]")];
  const ranges = zones.map((zone) => brushes.get(zone.dataset.axis)?.map((value) => heightOf(zone, value)));
  const lines = [...document.querySelectorAll(".parallel a[data-run]")];
  for (const line of lines) {
    const heights = line.querySelector("polyline").getAttribute("points").split(" ").map((point) => Number(point.split(",")[1]));
    const inside = ranges.every((range, i) => !range || (heights[i] > range[0] - 0.1 && heights[i] < range[1] + 0.1));
    if (!inside) out.add(runOf(line));
  }
  for (const mark of document.querySelectorAll("[data-run]")) mark.classList.toggle("out", out.has(runOf(mark)));
  zones.forEach((zone, i) => drawBrush(zone, ranges[i]));
  const note = document.querySelector("[data-brushed]");
  if (note) {
    note.textContent = ranges.some(Boolean)
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
  const [top, bottom] = range.map((y) => clamp(y, 0, ends(zone)[2]));
  for (const [name, value] of Object.entries({ class: "brush", x: -8, width: 16, y: top, height: bottom - top })) brush.setAttribute(name, value);
}

function startBrush(event) {
  const zone = event.target.closest?.("[data-axis]");
  if (!zone || event.button !== 0) return;
  event.preventDefault();
  const area = event.target.getBoundingClientRect();
  const at = (e) => clamp(e.clientY - area.top, 0, area.height);
  const { axis } = zone.dataset;
  const from = at(event);
  let moved = false;
  const move = (e) => {
    const to = at(e);
    moved ||= Math.abs(to - from) > 3;
    if (!moved) return;
    brushes.set(axis, [valueAt(zone, Math.min(from, to)), valueAt(zone, Math.max(from, to))]);
    pickOut();
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    if (!moved) brushes.delete(axis);
    pickOut();
  };
  hush();
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

// startCompare sets the figures up again, on a new page and after each live
// update, which may have replaced them.
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
