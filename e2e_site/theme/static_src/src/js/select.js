// Several rows of a list at once: checkboxes [data-select] of one form. Shift and a click, or the space bar, selects all from
// the last one that was changed; the arrow keys go from box to box. Counts what is selected, and says so where [data-selected] is.
(() => {
  const boxes = [...document.querySelectorAll("input[data-select]")];
  const form = boxes[0]?.form;
  if (!form) return;
  const page = form.querySelector("[data-select-page]");
  const all = page?.querySelector("input");
  const said = form.querySelector("[data-selected]");
  let last = null;

  const show = () => {
    const count = boxes.filter((box) => box.checked).length;
    if (said) said.textContent = `${count} `;
    if (!all) return;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  const chooseSelected = () => {
    const scope = form.querySelector("input[name=scope][value=selected]");
    if (scope) scope.checked = true;
  };
  const select = (box, shift) => {
    if (shift && last) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const one of boxes.slice(from, to + 1)) one.checked = box.checked;
    }
    last = box;
    chooseSelected();
    show();
  };

  form.addEventListener("click", (event) => {
    if (boxes.includes(event.target)) select(event.target, event.shiftKey);
  });
  form.addEventListener("keydown", (event) => {
    const place = boxes.indexOf(event.target);
    if (place < 0) return;
    if (event.key === " " && event.shiftKey) {
      event.preventDefault();
      event.target.checked = !event.target.checked;
      select(event.target, true);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      boxes[place + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    }
  });
  if (all) {
    page.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      chooseSelected();
      show();
    });
  }
  // The browser may restore what was selected.
  window.addEventListener("pageshow", show);
  show();
})();
