// The choice between light and dark lives in a cookie, so that the server
// writes it into the page and nothing flashes. Without a choice the system's
// preference counts.

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
}

export function startTheme() {
  const announce = () => dispatchEvent(new Event("benchtop:theme"));
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      document.cookie = `benchtop_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
      announce();
    });
  }
  prefersDark.addEventListener("change", announce);
}
