// "/" leads to the search box in the bar, from everywhere but a field in which a "/" may be meant.
document.addEventListener("keydown", (event) => {
  const box = document.querySelector("[data-find]");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !box?.checkVisibility()) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  box.focus();
  box.select();
});
