import uPlot from "uplot";
import { clamp, nearest } from "./nearest.js";

// Draws the curves of several runs over each other. Each line has its own
// places on the x axis, because runs log at different steps.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dashes = [undefined, [7, 4], [2, 3]];
const short = (v) => (v !== 0 && (Math.abs(v) >= 1e6 || Math.abs(v) < 1e-3) ? v.toExponential(2).replace(/\.?0+e/, "e") : `${+v.toPrecision(5)}`);

function span(s) {
  if (Math.abs(s) < 60) return `${+s.toPrecision(3)} s`;
  const minutes = Math.floor(Math.abs(s) / 60);
  const parts = [
    [Math.floor(minutes / 1440), "d"],
    [Math.floor(minutes / 60) % 24, "h"],
    [minutes % 60, "min"],
    [Math.round(Math.abs(s) % 60), "s"],
  ].filter(([n]) => n);
  return (s < 0 ? "−" : "") + parts.slice(0, 2).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

function clock(t, withDay, withSeconds) {
  const at = new Date(t * 1000);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined, hour12: false });
  return withDay ? `${at.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}` : time;
}

const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
const axes = {
  step: { incrs: [1, 2, 5].flatMap((m) => Array.from({ length: 17 }, (_, e) => m * 10 ** e)).sort((a, b) => a - b), values: (plot, at) => at.map((v) => v.toLocaleString("en")) },
  relative: { incrs: [0.01, 0.1, 0.5, ...seconds], values: (plot, at) => at.map((v) => (v === 0 ? "0" : span(v))) },
  time: {
    values: (plot, at, axis, space, step) => {
      const days = plot.scales.x.max - plot.scales.x.min > 86400;
      return at.map((t) => clock(t, days, step < 60));
    },
  },
};
const place = {
  step: (x) => `step ${x.toLocaleString("en")}`,
  relative: (x) => `after ${span(x)}`,
  time: (x) => clock(x, true, true),
};

// extent returns the lowest and the highest value that can be drawn.
function extent(lines, of) {
  let low = Infinity;
  let high = -Infinity;
  for (const line of lines) {
    for (const v of of(line)) {
      if (v == null) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  return low > high ? [0, 1] : [low, high];
}

function xRange(data) {
  const [low, high] = extent(data.lines, (l) => l.x);
  return low === high ? [low - 1, high + 1] : [low, high];
}

// yRange fits the values between two places of the x axis.
function yRange(data, from = -Infinity, to = Infinity) {
  const [low, high] = extent(data.lines, (l) => l.y.filter((y, k) => l.x[k] >= from && l.x[k] <= to));
  if (data.log) return low > 0 ? [low / 1.2, high * 1.2] : [0.1, 10];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - margin, high + margin];
}

// Labels at 1, 2 and 5 of each power of ten, or at powers only if these are many.
function logPlaces(plot, axis, low, high) {
  const decades = Math.log10(high / low);
  const out = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += Math.max(1, Math.ceil(decades / 8))) {
    for (const m of decades < 3 ? [1, 2, 5] : [1]) {
      const v = +(m * 10 ** e).toPrecision(3);
      if (v >= low && v <= high) out.push(v);
    }
  }
  return out.length > 1 ? out : [low, Math.sqrt(low * high), high];
}

// path draws a line with gaps, and points where there are few.
function path(plot, i) {
  const [xs, ys] = plot.data[i];
  const stroke = new Path2D();
  const dots = xs.length <= 30 ? 2.5 * devicePixelRatio : 0;
  let drawing = false;
  for (let k = 0; k < xs.length; k += 1) {
    if (ys[k] == null) {
      drawing = false;
      continue;
    }
    const x = plot.valToPos(xs[k], "x", true);
    const y = plot.valToPos(ys[k], "y", true);
    if (drawing) stroke.lineTo(x, y);
    const alone = !drawing && ys[k + 1] == null;
    if (dots || alone) {
      const r = dots || 2.5 * devicePixelRatio;
      stroke.moveTo(x + r, y);
      stroke.arc(x, y, r, 0, 2 * Math.PI);
    }
    stroke.moveTo(x, y);
    drawing = true;
  }
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

function options(chart, width, height) {
  const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const { data } = chart;
  return {
    mode: 2,
    width,
    height,
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: {
      x: { time: data.over === "time", range: (plot, low, high) => (chart.zoomed && low != null ? [low, high] : xRange(chart.data)) },
      y: { distr: data.log ? 3 : 1, range: () => yRange(chart.data) },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 90, ...axes[data.over] },
      { ...axis, size: 62, space: 34, values: (plot, at) => at.map(short), ...(data.log ? { splits: logPlaces, filter: (plot, at) => at } : {}) },
    ],
    series: [
      null,
      ...data.lines.map((line) => ({
        label: line.name,
        stroke: () => color(`--run-${line.run % 12}`),
        dash: dashes[Math.floor(line.run / 12) % 3],
        width: 2,
        facets: [
          { scale: "x", auto: true },
          { scale: "y", auto: true },
        ],
        paths: path,
        points: { show: false },
      })),
    ],
    hooks: {
      setSelect: [(plot) => plot.select.width > 0 && chart.zoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"))],
    },
  };
}

const points = (data) => [null, ...data.lines.map((l) => [l.x, l.y])];

// Curves draws into a figure, and redraws what has changed.
export class Curves {
  constructor(figure, light) {
    this.figure = figure;
    this.light = light;
    this.box = figure.querySelector(".chart-plot");
    this.now = figure.querySelector(".chart-now");
    this.zoomed = false;
    this.out = new Set();
    this.lit = null;
    this.update();
    this.box.addEventListener("pointermove", (event) => this.point(event));
    this.box.addEventListener("pointerleave", () => this.point(null));
    this.box.addEventListener("dblclick", () => {
      this.zoomed = false;
      this.plot.setData(points(this.data));
    });
    this.sizes = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = this.box;
      if (width && this.plot && this.plot.width !== width) this.plot.setSize({ width, height });
    });
    this.sizes.observe(this.box);
  }

  // update draws the data that the figure has now.
  update() {
    if (this.json === this.figure.dataset.curves) return;
    this.json = this.figure.dataset.curves;
    const data = JSON.parse(this.json);
    const sameLines = this.data && this.data.lines.map((l) => l.run).join() === data.lines.map((l) => l.run).join();
    this.data = data;
    if (sameLines) this.plot.setData(points(data), !this.zoomed);
    else this.draw();
    this.caption();
  }

  draw() {
    this.plot?.destroy();
    this.plot = new uPlot(options(this, this.box.clientWidth, this.box.clientHeight), points(this.data), this.box);
    this.shade();
  }

  // zoom shows a stretch of the x axis, and fits the y axis to it.
  zoom(from, to) {
    this.zoomed = true;
    const [min, max] = yRange(this.data, from, to);
    this.plot.setScale("y", { min, max });
    this.caption();
  }

  // dim fades the runs that were not picked out.
  dim(out) {
    this.out = out;
    this.shade();
  }

  // focus brings one run to the front, null brings none.
  focus(run) {
    if (run === this.lit) return;
    this.lit = run;
    this.shade();
  }

  shade() {
    const known = this.data.lines.some((l) => l.run === this.lit);
    this.data.lines.forEach((line, i) => {
      const series = this.plot.series[i + 1];
      series.alpha = known && line.run === this.lit ? 1 : this.out.has(line.run) ? 0.06 : known ? 0.2 : 1;
      series.width = known && line.run === this.lit ? 3.5 : 2;
    });
    this.plot.redraw(false);
  }

  point(event) {
    const hit = event && this.hit(event);
    this.light(hit ? hit.line.run : null);
    if (hit) this.now.textContent = `${hit.line.name} · ${short(hit.line.y[hit.k])} · ${place[this.data.over](hit.line.x[hit.k])}`;
    else this.caption();
  }

  hit(event) {
    const area = this.plot.over.getBoundingClientRect();
    const left = event.clientX - area.left;
    const top = event.clientY - area.top;
    let best = { distance: 40 };
    for (const line of this.data.lines) {
      const k = nearest(line.x, clamp(this.plot.posToVal(left, "x"), line.x[0], line.x[line.x.length - 1]));
      if (line.y[k] == null || this.out.has(line.run)) continue;
      const distance = Math.hypot(this.plot.valToPos(line.x[k], "x") - left, this.plot.valToPos(line.y[k], "y") - top);
      if (distance < best.distance) best = { distance, line, k };
    }
    return best.line ? best : null;
  }

  caption() {
    if (!matchMedia("(pointer: fine)").matches) this.now.textContent = "";
    else this.now.textContent = this.zoomed ? "Double-click to see all." : "Drag across to zoom in.";
  }

  destroy() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }
}
