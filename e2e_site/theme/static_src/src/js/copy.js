// Buttons [data-copy] copy the text of the element of that id. They are shown only where this script runs.
(() => {
  document.documentElement.dataset.copies = "yes";
  const select = (node) => {
    for (let fold = node.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    document.getSelection().selectAllChildren(node);
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    const source = button && document.getElementById(button.dataset.copy);
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without https the browser gives no clipboard: what is selected, a person copies.
      select(source);
      button.textContent = "Selected";
    }
  });
})();
