// Browsers open few connections to one server, and an event stream takes one
// for as long as it lasts. So a hidden page gives its stream back.

const grace = 20000;

// whileVisible calls suspend when the page has been hidden for a while, and
// resume when it is visible again.
export function whileVisible(suspend, resume) {
  let timer;
  let suspended = false;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) {
      timer = setTimeout(() => {
        suspended = true;
        suspend();
      }, grace);
    } else if (suspended) {
      suspended = false;
      resume();
    }
  });
}
