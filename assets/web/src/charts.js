import uPlot from "uplot";

// Draws every figure that has data-chart, in the colours of the style sheet.

const plots = new Map(); // figure id → {figure, plot, data, chart}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function bytes(v) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (Math.abs(v) >= 1024 && i < units.length - 1) {
    v /= 1024;
    i += 1;
  }
  return `${v >= 100 || v === Math.trunc(v) ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
}

function seconds(v) {
  if (v === 0) return "0";
  if (v < 0.001) return `${Math.round(v * 1e6)} µs`;
  if (v < 1) return `${+(v * 1e3).toPrecision(2)} ms`;
  return `${+v.toPrecision(3)} s`;
}

const formats = {
  percent: (v) => `${Math.round(v * 100)} %`,
  bytes,
  seconds,
  rate: (v) => `${+v.toPrecision(2)}/s`,
  number: (v) => `${+v.toPrecision(4)}`,
};

function range(chart, low, high) {
  if (chart.max) return [0, chart.max];
  if (low == null || high == null) return [0, 1];
  if (chart.unit !== "number") return [0, high > 0 ? high * 1.15 : 1];
  const span = high - low || Math.abs(high) || 1;
  return [low - span * 0.1, high + span * 0.1];
}

// Round places for the scale: binary for sizes, decimal for the rest.
function splits(chart) {
  return (plot, axis, low, high) => {
    const count = 3;
    if (chart.unit !== "bytes") {
      const raw = (high - low) / count;
      const power = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
      return places(Math.ceil(low / step) * step, high, step);
    }
    let step = 1;
    while ((high - low) / step > count + 1) step *= 2;
    return places(Math.ceil(low / step) * step, high, step);
  };
}

function places(first, high, step) {
  const out = [];
  for (let i = 0; first + i * step <= high * (1 + 1e-9) && i < 12; i += 1) out.push(+(first + i * step).toPrecision(12));
  return out;
}

// Steps and versions are whole numbers, and so are the labels of their axis.
const wholeSteps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000, 1000000];

const day = 86400;

// Labels of the time axis, with seconds if they are that close, and with the
// day if they are that far apart.
function clocks(plot, times, axis, space, increment) {
  const seconds = increment < 60 ? "2-digit" : undefined;
  return times.map((t) => {
    const at = new Date(t * 1000);
    if (increment >= day) return at.toLocaleDateString([], { day: "numeric", month: "short" });
    return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds, hour12: false });
  });
}

// The moment under the pointer, with its day where the chart shows several.
function moment(chart, t) {
  const at = new Date(t * 1000);
  const days = chart.x[chart.x.length - 1] - chart.x[0] > day / 2;
  return days ? at.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false }) : at.toLocaleTimeString();
}

function options(chart, width, height) {
  const format = formats[chart.unit] ?? formats.number;
  const axis = {
    stroke: color("--faint"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  const single = chart.lines.length < 2;
  const few = chart.x.length <= 30;
  return {
    width,
    height,
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    legend: { show: false },
    padding: [8, 18, 0, 0],
    scales: {
      x: chart.steps ? { time: false } : { time: true },
      y: { range: (plot, low, high) => range(chart, low, high) },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 80, ...(chart.steps ? { incrs: wholeSteps } : { values: clocks }) },
      { ...axis, size: 58, space: 28, splits: splits(chart), values: (plot, values) => values.map(format) },
    ],
    series: [
      {},
      ...chart.lines.map((name, i) => ({
        label: name,
        stroke: color(`--series-${i % 6}`),
        fill: single ? color("--series-fill") : undefined,
        width: 2,
        spanGaps: chart.steps,
        points: { show: chart.steps && few, size: 5 },
      })),
    ],
    hooks: { setCursor: [(plot) => tip(plot, chart, format)] },
  };
}

// The caption shows the value under the pointer instead of the latest.
function tip(plot, chart, format) {
  const now = plot.root.closest("figure")?.querySelector(".chart-now");
  if (!now) return;
  const i = plot.cursor.idx;
  if (i == null || plot.cursor.left < 0) {
    now.textContent = chart.now;
    return;
  }
  const at = chart.steps ? `${chart.step ?? "step"} ${chart.x[i]}` : moment(chart, chart.x[i]);
  const values = chart.y.map((line) => (line[i] == null ? "–" : format(line[i])));
  now.textContent = `${values.join(" / ")} · ${at}`;
}

function draw(figure, chart) {
  const place = figure.querySelector(".chart-plot");
  const old = plots.get(figure.id);
  if (!chart.x?.length) return;
  if (old && old.figure === figure && old.lines === chart.lines.length) {
    Object.assign(old.chart, chart);
    old.plot.setData([chart.x, ...chart.y]);
    if (old.plot.cursor.left == null || old.plot.cursor.left < 0) figure.querySelector(".chart-now").textContent = chart.now;
  } else {
    old?.plot.destroy();
    place.replaceChildren();
    const live = { ...chart };
    const plot = new uPlot(options(live, place.clientWidth, place.clientHeight), [chart.x, ...chart.y], place);
    plots.set(figure.id, { figure, plot, chart: live, lines: chart.lines.length });
    sizes.observe(place);
  }
  const title = figure.querySelector(".chart-title").textContent;
  place.setAttribute("aria-label", `${title}: ${chart.summary}`);
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const known = plots.get(target.closest("figure")?.id);
    if (!known || known.figure !== target.closest("figure")) continue;
    if (known.plot.width === target.clientWidth || !target.clientWidth) continue;
    known.plot.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});

export function startCharts(root) {
  if (!root.querySelectorAll) return;
  for (const figure of root.querySelectorAll("[data-chart]")) {
    const known = plots.get(figure.id);
    if (known && known.figure === figure) continue;
    draw(figure, JSON.parse(figure.dataset.chart));
  }
}

export function updateCharts(charts) {
  for (const chart of charts ?? []) {
    const figure = document.getElementById(`chart-${chart.id}`);
    if (figure) draw(figure, chart);
  }
}

addEventListener("benchtop:theme", () => {
  for (const { figure, plot, chart } of [...plots.values()]) {
    plot.destroy();
    plots.delete(figure.id);
    draw(figure, chart);
  }
});
