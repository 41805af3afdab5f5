// Arrow keys go from column to column of a chart, Home and End to its ends; what a column is told with stands below the
// chart while a pointer is over it or it has the focus. Without this file each column still has a tooltip, and the table.
(() => {
  const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  const slotOf = (node) => node?.closest?.(".chart-slots > a");
  const tell = (slot, text) => {
    const readout = slot.closest("figure")?.querySelector("[data-readout]");
    if (readout) readout.textContent = text;
  };
  const title = (slot) => slot.querySelector("title").textContent;

  document.addEventListener("keydown", (event) => {
    const slot = slotOf(event.target);
    if (!slot || !(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const slots = [...slot.ownerSVGElement.querySelectorAll(".chart-slots > a")];
    const place = slots.indexOf(slot) + STEPS[event.key];
    slots[Math.min(Math.max(place, 0), slots.length - 1)].focus();
    event.preventDefault();
  });
  for (const [entered, left] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    document.addEventListener(entered, (event) => {
      const slot = slotOf(event.target);
      if (slot) tell(slot, title(slot));
    });
    document.addEventListener(left, (event) => {
      const slot = slotOf(event.target);
      if (slot) tell(slot, "");
    });
  }
  // A fresh drawing has fresh numbers.
  document.addEventListener("htmx:afterSwap", () => {
    for (const slot of document.querySelectorAll(".chart-slots > a:is(:hover, :focus)")) tell(slot, title(slot));
  });
})();
