// Asks for shares and expected ends when something was typed that changes them; htmx fetches the answer.
(() => {
  const form = document.getElementById("send-form");
  const particulars = document.getElementById("particulars");
  const numbers = form.querySelectorAll("input[type=number]");
  const ask = () => htmx.trigger(particulars, "typed");
  const follow = (event) => {
    if (["number", "checkbox"].includes(event.target.type)) ask();
  };
  form.addEventListener("input", follow);
  form.addEventListener("change", follow);
  // A field of numbers does not tell what else is in it.
  particulars.addEventListener("htmx:configRequest", (event) => {
    for (const { name, validity } of numbers) if (validity.badInput) event.detail.parameters.set(name, "?");
  });
  // The browser may restore other numbers after the page has loaded.
  window.addEventListener("pageshow", () => {
    if ([...numbers].some(({ value, defaultValue }) => value !== defaultValue)) ask();
  });
})();
