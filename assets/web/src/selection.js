// Selecting runs to compare. The boxes stand in the live table and belong to
// the form above it, so that it works without this script too. The script
// counts, selects all, and says what is missing before the server would.
const most = 100; // the limit of the page that compares

const form = () => document.getElementById("compare");
const boxes = () => [...document.querySelectorAll('input[name="run"][form="compare"]')];

function say(text) {
  const place = form().querySelector("[data-selected]");
  if (place.textContent !== text) place.textContent = text;
}

// missing says why the selected runs cannot be compared, "" if they can.
function missing(count) {
  if (count === 0) return "Select at least two runs to compare.";
  if (count === 1) return "Select at least one more run to compare.";
  return count > most ? `Select at most ${most} runs to compare.` : "";
}

// refreshSelection brings the form up to date with the boxes.
export function refreshSelection() {
  if (!form()) return;
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  form().hidden = all.length === 0;
  const label = form().querySelector("[data-select-all]");
  label.hidden = false;
  const box = label.querySelector("input");
  box.checked = count > 0 && count === all.length;
  box.indeterminate = count > 0 && count < all.length;
  say(count === 0 ? "Select the runs to compare." : `${count} of ${all.length} selected`);
}

export function startSelection() {
  if (!form()) return;
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-select-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    if (event.target.closest('[data-select-all], input[name="run"]')) refreshSelection();
  });
  form().addEventListener("submit", (event) => {
    const why = missing(boxes().filter((box) => box.checked).length);
    if (!why) return;
    event.preventDefault();
    say(why);
  });
  // The browser fills forms in again when the user comes back to the page.
  addEventListener("pageshow", refreshSelection);
  refreshSelection();
}
