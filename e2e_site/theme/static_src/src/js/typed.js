// What a person typed survives what came between: a session that ended, a form out of date, an error page. Kept when the
// page is left, for this tab alone (sessionStorage); filled in once, where the same user comes back to the same page by
// way of pages that are marked data-keeps-typed, which may name the address that they lead back to. Passwords and files
// are never kept, and nothing is sent.
(() => {
  const KEY = "typed";
  const NEVER = ["password", "file", "submit", "button", "reset", "image"];
  const storage = {
    read: () => {
      try {
        return JSON.parse(sessionStorage.getItem(KEY));
      } catch {
        return null; // forbidden, or not ours
      }
    },
    write: (kept) => {
      try {
        if (kept) sessionStorage.setItem(KEY, JSON.stringify(kept));
        else sessionStorage.removeItem(KEY);
      } catch {
        // forbidden or full: then it is not kept
      }
    },
  };
  const between = document.querySelector("[data-keeps-typed]");
  const user = () => document.querySelector("[data-user]")?.dataset.user ?? "";
  const forms = () => [...document.forms].filter((form) => form.method === "post" && !("notKept" in form.dataset));
  const controls = (form) =>
    [...form.elements].filter(({ name, type }) => name && name !== "csrfmiddlewaretoken" && !NEVER.includes(type));

  const isChoice = (control) => ["checkbox", "radio"].includes(control.type);
  const key = (control) => (isChoice(control) ? `${control.name}=${control.value}` : control.name);
  const isChanged = (control) => {
    if (isChoice(control)) return control.checked !== control.defaultChecked;
    if (control.options) return [...control.options].some((option) => option.selected !== option.defaultSelected);
    return control.value !== control.defaultValue;
  };
  const state = (control) => {
    if (isChoice(control)) return control.checked;
    if (!control.multiple) return control.value;
    // Of the admin's two boxes the right one counts whole.
    return [...control.options].filter((one) => one.selected || control.id.endsWith("_to")).map(({ value }) => value);
  };
  const fill = (control, kept) => {
    if (isChoice(control)) control.checked = kept;
    else if (!control.multiple) control.value = kept;
    else for (const option of control.options) option.selected = kept.includes(option.value);
  };

  let sent = null;
  document.addEventListener("submit", (event) => {
    sent = event.target;
  });
  window.addEventListener("pagehide", () => {
    if (between) return;
    const form = forms().find((one) => one === sent || controls(one).some(isChanged));
    storage.write(
      form && {
        path: location.pathname,
        user: user(),
        form: forms().indexOf(form),
        controls: controls(form).map((control) => [key(control), state(control)]),
      },
    );
  });

  const again = (kept) => {
    const form = forms()[kept.form];
    if (!form) return;
    const known = new Map(kept.controls);
    for (const control of controls(form)) {
      if (!known.has(key(control))) continue;
      const before = JSON.stringify(state(control));
      fill(control, known.get(key(control)));
      // Other scripts follow what is chosen.
      if (JSON.stringify(state(control)) !== before) control.dispatchEvent(new Event("change", { bubbles: true }));
    }
    for (const notice of document.querySelectorAll("[data-typed-again]")) notice.hidden = false;
  };
  document.addEventListener("DOMContentLoaded", () => {
    const kept = storage.read();
    if (!kept) return;
    if (between) {
      const back = between.dataset.keepsTyped;
      if (back && new URL(back, location).pathname !== kept.path) return storage.write(null);
      storage.write({ ...kept, cameBetween: true });
      for (const notice of document.querySelectorAll("[data-typed-kept]")) notice.hidden = false;
      return;
    }
    storage.write(null);
    if (kept.cameBetween && kept.path === location.pathname && kept.user === user()) again(kept);
  });
})();
