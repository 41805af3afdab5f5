// Light, dark or auto: one attribute (data-theme) and one storage key (theme), those of Django's admin.
// Loaded in <head> without defer, so that the first paint already has the right colours.
(() => {
  const MODES = ["auto", "light", "dark"];
  const read = () => {
    try {
      const mode = localStorage.getItem("theme");
      return MODES.includes(mode) ? mode : "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  };
  const show = (mode) => {
    document.documentElement.dataset.theme = mode;
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.setAttribute("aria-label", `Theme: ${mode}. Change it.`);
      button.title = `Theme: ${mode}`;
      for (const icon of button.querySelectorAll("[data-mode]")) {
        icon.toggleAttribute("hidden", icon.dataset.mode !== mode);
      }
    }
  };

  show(read());
  document.addEventListener("DOMContentLoaded", () => show(read()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-toggle]")) return;
    const mode = MODES[(MODES.indexOf(read()) + 1) % MODES.length];
    try {
      localStorage.setItem("theme", mode);
    } catch {
      // not remembered, still shown
    }
    show(mode);
  });
  // Another tab changed it.
  window.addEventListener("storage", (event) => event.key === "theme" && show(read()));
})();
