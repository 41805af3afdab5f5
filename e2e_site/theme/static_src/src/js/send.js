// Shows only the fields that the chosen behavior takes; the others are disabled, so that they are not sent.
(() => {
  const form = document.getElementById("send-form");
  const fields = form.querySelectorAll("div[data-applies-to]");
  const show = () => {
    const chosen = form.querySelector("input[name=type]:checked")?.value;
    for (const field of fields) {
      const applies = field.dataset.appliesTo.split(" ").includes(chosen);
      field.hidden = !applies;
      for (const control of field.querySelectorAll("input, textarea")) control.disabled = !applies;
    }
  };
  for (const hint of form.querySelectorAll("[data-without-script]")) hint.hidden = true;
  form.addEventListener("change", (event) => event.target.name === "type" && show());
  // The browser may restore another choice after the page has loaded.
  window.addEventListener("pageshow", show);
  show();
})();
