// Shows only the fields that the chosen behavior takes, none where commands are retried as they are. Without this script all
// are there, and say which behavior takes them.
(() => {
  const type = document.querySelector("#confirm-form select[name=type]");
  const fields = document.querySelector("[data-behavior-fields]");
  if (!type || !fields) return;
  for (const hint of fields.querySelectorAll("[data-without-script]")) hint.hidden = true;
  const show = () => {
    fields.hidden = !type.value;
    for (const field of fields.children) {
      const applies = type.value && (field.dataset.appliesTo ?? type.value).split(" ").includes(type.value);
      field.hidden = !applies;
      for (const control of field.querySelectorAll("input")) control.disabled = !applies;
    }
  };
  type.addEventListener("change", show);
  window.addEventListener("pageshow", show);
  show();
})();
