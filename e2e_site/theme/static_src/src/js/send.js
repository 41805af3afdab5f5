// Shows only the fields that the chosen behavior takes; the others are disabled, so that they are not sent. Asks what
// becomes of the command when a number was typed; htmx fetches the answer.
(() => {
  const form = document.getElementById("send-form");
  const particulars = document.getElementById("particulars");
  const fields = form.querySelectorAll("div[data-applies-to]");
  const numbers = form.querySelectorAll("input[type=number]");
  const show = () => {
    const chosen = form.querySelector("input[name=type]:checked")?.value;
    for (const field of fields) {
      const applies = field.dataset.appliesTo.split(" ").includes(chosen);
      field.hidden = !applies;
      for (const control of field.querySelectorAll("input, textarea")) control.disabled = !applies;
    }
  };
  const ask = () => htmx.trigger(particulars, "typed");
  for (const hint of form.querySelectorAll("[data-without-script]")) hint.hidden = true;
  const follow = (event) => {
    if (event.target.name === "type") show();
    if (["radio", "number"].includes(event.target.type)) ask();
  };
  form.addEventListener("input", follow);
  form.addEventListener("change", follow);
  // A field of numbers does not tell what else is in it.
  particulars.addEventListener("htmx:configRequest", (event) => {
    for (const { name, validity } of numbers) if (validity.badInput) event.detail.parameters.set(name, "?");
  });
  // The browser may restore another choice, or other numbers, after the page has loaded.
  window.addEventListener("pageshow", () => {
    show();
    if ([...numbers].some(({ value, defaultValue }) => value !== defaultValue)) ask();
  });
  show();
})();
