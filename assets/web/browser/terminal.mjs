// The terminal of a guided lab: what a person sees of it, and types into it.

// screenOf returns what the terminal shows.
export async function screenOf(lab) {
  return (await lab.page.locator(".xterm-rows").innerText()).replaceAll("\u00a0", " ");
}

// shows waits until the terminal shows a text.
export async function shows(lab, what, pattern, seconds = 5) {
  for (let i = 0; i < 10 * seconds; i += 1) {
    if (pattern.test(await screenOf(lab))) return true;
    await lab.page.waitForTimeout(100);
  }
  lab.expect("terminal", `${what} (${pattern}), got ${JSON.stringify(await screenOf(lab))}`, false);
  return false;
}

// prompt waits until the shell waits for a command: its last line ends in a $. The
// line below is the one of tmux.
export function prompt(lab, seconds = 60) {
  return shows(lab, "a prompt", /\$\s*(\n[^\n]*)?\s*$/, seconds);
}

// enter types a command into an empty screen, presses Enter, and returns when that
// was, in milliseconds.
export async function enter(lab, command) {
  const { page } = lab;
  await prompt(lab);
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+l");
  await page.keyboard.type(command);
  const at = Date.now();
  await page.keyboard.press("Enter");
  return at;
}

// says types a command, and waits for what it prints.
export async function says(lab, command, pattern, seconds = 20) {
  await enter(lab, command);
  return shows(lab, `what "${command}" prints`, pattern, seconds);
}
