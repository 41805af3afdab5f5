// Keeps the [data-live] regions of a page fresh. htmx fetches and morphs; this file says when: at the chosen interval,
// counted from the end of the previous answer, and not while the tab is hidden or text in the region is selected. A region
// may lie in another, which leaves it alone; data-live names the event by which it is asked for anew.
const keepFresh = (region, regions) => {
  const KEY = "refresh";
  const TICK = region.dataset.live || "live:tick";
  const select = document.querySelector("[data-refresh]");
  const pill = region === regions[0] ? document.querySelector("[data-live-state]") : null; // it tells of the page's first region
  let timer = 0;
  let failures = 0;
  let fresh = new Date();
  let seen = ""; // the ETag of what the region shows

  // What is said in this region, and not in one that lies in it.
  const own = (selector) => [...region.querySelectorAll(selector)].find((each) => each.closest("[data-live]") === region);

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  // The page may say that a slower pace is enough ([data-live-pace], seconds).
  const pace = () => Number(own("[data-live-pace]")?.dataset.livePace ?? 0);
  const seconds = () => {
    const chosen = Number(select?.value ?? 2);
    return chosen && Math.max(chosen, failures ? 0 : pace());
  };
  const refused = () => own("[data-live-refused]") !== undefined;
  const ended = () => refused() || own("[data-live-final]") !== undefined;
  const selecting = () => {
    const selection = document.getSelection();
    const within = (each) => each.contains(selection.anchorNode);
    return selection && !selection.isCollapsed && selection.rangeCount > 0 && regions.some(within);
  };

  const say = (state, text) => {
    if (!pill || pill.dataset.liveState === state) return;
    pill.dataset.liveState = state;
    pill.textContent = text;
    pill.hidden = false;
  };
  const describe = () => {
    if (failures) say("reconnecting", `Reconnecting… as of ${fresh.toLocaleTimeString()}`);
    else if (refused()) say("refused", "Not refreshing");
    else if (ended()) say("ended", "Ended");
    else if (!seconds()) say("off", "Not refreshing");
    else if (selecting()) say("paused", "Paused: text selected");
    else say("live", "Live");
  };

  const schedule = () => {
    clearTimeout(timer);
    describe();
    if (!region.isConnected) return; // the region around it was replaced by the server's word
    if (ended() && !failures) return;
    if (!seconds() || document.hidden) return;
    const backoff = Math.min(2 ** failures, 5);
    timer = setTimeout(tick, Math.max(seconds(), failures ? backoff : 0) * 1000);
  };
  const tick = () => {
    if (document.hidden) return;
    if (selecting()) return schedule();
    htmx.trigger(region, TICK);
  };

  // Asked by name and not by the browser's cache, which keeps no page of a session.
  region.addEventListener("htmx:configRequest", (event) => {
    if (event.target === region && seen) event.detail.headers["If-None-Match"] = seen;
  });
  // What may no longer be seen, or is gone, is replaced by the server's word on it; other errors leave what is there,
  // and so does 304: nothing has changed but the time.
  region.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== region) return;
    const xhr = event.detail.xhr;
    if (xhr.status === 304) event.detail.shouldSwap = false;
    else if (xhr.responseText.includes("data-live-refused")) event.detail.shouldSwap = true;
  });
  region.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== region) return;
    const xhr = event.detail.xhr;
    failures = event.detail.successful || refused() ? 0 : failures + 1;
    if (!failures) fresh = new Date();
    if (xhr.status === 200) seen = xhr.getResponseHeader("ETag") ?? "";
    if (xhr.status === 304) tell(xhr.getResponseHeader("X-Now"));
    schedule();
  });
  // The clock of the database, for times.js.
  const tell = (now) => {
    const clock = own("[data-now]");
    if (!clock || !now) return;
    clock.dataset.now = now;
    document.dispatchEvent(new Event("live:now"));
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : tickSoon()));
  const tickSoon = () => {
    clearTimeout(timer);
    if (seconds() && !(ended() && !failures)) tick();
    else schedule();
  };
  document.addEventListener("selectionchange", describe);
  // Back shows the page as it was left, from the browser's memory or its cache: what it says may be long past.
  const refresh = () => htmx.trigger(region, TICK);
  if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") window.addEventListener("load", refresh);
  window.addEventListener("pageshow", (event) => event.persisted && refresh());

  if (select) {
    const chosen = stored();
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
    select.addEventListener("change", () => {
      try {
        localStorage.setItem(KEY, select.value);
      } catch {
        // not remembered, still used
      }
      tickSoon();
    });
    for (const hidden of document.querySelectorAll("[data-needs-script]")) hidden.hidden = false;
  }
  schedule();
};
(() => {
  const regions = [...document.querySelectorAll("[data-live]")];
  if (!regions.length) return;
  // What a reader has unfolded stays so, and a region in another one is left as it is.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => name !== "open" || node.localName !== "details";
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => node.dataset?.live === undefined;
  for (const region of regions) keepFresh(region, regions);
})();
