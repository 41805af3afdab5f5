// The keys of all pages, as _keys.html lists them. They mean nothing in a field, nothing together with Ctrl, Alt or Cmd, and
// nothing where a person turned them off, which this browser remembers.
(() => {
  const KEY = "keys";
  const CHORD_MS = 1500; // between "g" and the letter
  const TYPED_IN = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  const ROWS = "main :is(tbody > tr, ol.divide-y > li)";
  const dialog = document.getElementById("keys");
  let chord = 0;

  const isOn = () => {
    try {
      return localStorage.getItem(KEY) !== "off";
    } catch {
      return true; // storage may be forbidden
    }
  };
  const search = () => {
    const box = document.querySelector("[data-find]");
    if (!box?.checkVisibility()) return false;
    box.focus();
    box.select();
    return true;
  };
  const open = () => {
    dialog?.showModal();
    return dialog !== null;
  };
  const go = (letter) => {
    const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (link) location.assign(link.href);
    return link !== null;
  };
  const linkOf = (row) => row.querySelector("a[href]");
  const move = (step) => {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => linkOf(row) && row.checkVisibility());
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[here < 0 ? 0 : here + step];
    if (!row) return rows.length > 0;
    linkOf(row).focus();
    row.scrollIntoView({ block: "nearest" });
    return true;
  };
  const KEYS = {
    "/": search,
    "?": open,
    j: () => move(1),
    k: () => move(-1),
    g: () => {
      chord = performance.now();
      return true;
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!isOn() || document.querySelector("dialog[open]") || event.target.closest?.(TYPED_IN)) return;
    const began = chord;
    chord = 0;
    const done = began && performance.now() - began < CHORD_MS ? go(event.key) : KEYS[event.key]?.();
    if (done) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-keys-open]") && open()) event.preventDefault();
    // Beside the dialog.
    if (event.target === dialog) dialog.close();
  });
  for (const hidden of document.querySelectorAll("[data-needs-browser]")) hidden.hidden = false;
  for (const box of document.querySelectorAll("[data-keys-switch]")) {
    box.checked = isOn();
    box.addEventListener("change", () => {
      try {
        localStorage.setItem(KEY, box.checked ? "on" : "off");
      } catch {
        // not remembered: they stay on
      }
    });
  }
})();
