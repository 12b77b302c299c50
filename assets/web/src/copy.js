// Copy buttons. The Clipboard API exists on secure origins only; a lab is
// often reached by plain HTTP, so a selection and the old command must do.

async function copy(text, source) {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not permitted here; the selection may still be.
    }
  }
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const source = button.parentElement.querySelector("pre, code");
    const label = button.querySelector("[data-copy-text]");
    const done = await copy(source.textContent, source);
    label.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (label.textContent = "Copy"), 2000);
  });
}
