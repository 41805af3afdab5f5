// The admin's two-box selector gives a plain span a label for screen readers, which only hear it if it is a picture.
window.addEventListener("load", () => {
  for (const mark of document.querySelectorAll("span.help-tooltip[aria-label]")) mark.setAttribute("role", "img");
});

// Where a list has no room its rows are cards (admin.css). Each value takes the name of its column along, and each element
// says what it is, which a browser no longer knows where a table is not laid out as one.
for (const list of document.querySelectorAll("#result_list")) {
  const names = [...list.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  for (const node of [list, ...list.querySelectorAll("thead, tbody, tr, th, td")]) {
    node.setAttribute("role", roles[node.tagName] ?? (node.scope === "col" ? "columnheader" : "rowheader"));
  }
  for (const row of list.querySelectorAll("tbody tr")) {
    [...row.cells].forEach((cell, place) => cell.setAttribute("data-label", names[place] ?? ""));
  }
}
