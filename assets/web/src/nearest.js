// nearest returns the index of the number closest to v in an ascending list.
export function nearest(list, v) {
  let low = 0;
  let high = list.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle] < v) low = middle;
    else high = middle;
  }
  return Math.abs(list[high] - v) < Math.abs(list[low] - v) ? high : low;
}

export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
