// Browsers open few connections to one server, and an event stream takes one
// for as long as it lasts. So a page that nobody looks at gives its own back.

const grace = 20000;

// whileVisible calls suspend when the page has been hidden for a while, and
// resume when it is looked at again after that.
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
