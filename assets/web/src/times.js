// <time data-relative> shows how long ago (or in how long) its time is. <time
// data-since> shows for how long something has been going on. The server writes
// UTC; the title keeps that.

const steps = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86400, 3600, "h"],
  [Infinity, 86400, "d"],
];

function amount(seconds) {
  const [, size, unit] = steps.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / size)} ${unit}`;
}

function relative(then, now) {
  const seconds = Math.abs(now - then) / 1000;
  if (then > now) return seconds < 1 ? "now" : `in ${amount(Math.ceil(seconds))}`;
  if (seconds < 5) return "just now";
  if (seconds > 30 * 86400) return new Date(then).toLocaleDateString();
  return `${amount(seconds)} ago`;
}

function since(then, now) {
  const s = Math.max(0, Math.floor((now - then) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function refreshTimes(root) {
  const now = Date.now();
  const times = root.querySelectorAll ? root.querySelectorAll("time[data-relative], time[data-since]") : [];
  for (const time of times) {
    const then = Date.parse(time.dateTime);
    if (Number.isNaN(then)) continue;
    const text = "since" in time.dataset ? since(then, now) : relative(then, now);
    if (time.textContent !== text) time.textContent = text;
  }
}

export function startTimes() {
  refreshTimes(document);
  setInterval(() => {
    if (!document.hidden) refreshTimes(document);
  }, 1000);
}
