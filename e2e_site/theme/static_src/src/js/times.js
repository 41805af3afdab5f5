// Relative times go on ticking between two answers of the server, and say the local time on hover. Where a person asked for
// local times (data-times), the clocks of the page are written in the browser's zone; UTC, in full, is on hover.
// "Now" is the clock of the database, which wrote the times: each answer carries it ([data-now]), and from its arrival on
// it is counted by the browser's own count of milliseconds, so that no clock that is set wrong, or set anew, matters.
(() => {
  const root = document.documentElement;
  if (root.dataset.ticks) return; // a page may name this script twice
  root.dataset.ticks = "yes";
  const UNITS = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const words = (seconds, side) => {
    if (seconds < 1) return "now";
    const [unit, name] = UNITS.find(([length]) => seconds >= length);
    const text = `${Math.floor(seconds / unit)} ${name}`;
    return side === "future" ? `in ${text}` : `${text} ago`;
  };

  let base = NaN;
  let arrived = 0;
  const arrive = () => {
    base = Date.parse(document.querySelector("[data-now]")?.dataset.now);
    arrived = performance.now();
  };
  const tick = () => {
    if (document.hidden || Number.isNaN(base)) return;
    const now = base + performance.now() - arrived;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const moment = new Date(time.dateTime);
      const side = time.dataset.relative;
      const text = words((side === "future" ? moment - now : now - moment) / 1000, side);
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.localised) {
        time.title = `${time.title}\n${moment.toLocaleString()} (local)`;
        time.dataset.localised = "yes";
      }
    }
  };

  const two = (number) => String(number).padStart(2, "0");
  const day = (moment) => `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  const zoned = (moment, today) => {
    const [seconds, milliseconds] = [two(moment.getSeconds()), String(moment.getMilliseconds()).padStart(3, "0")];
    const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}:${seconds}.${milliseconds}`;
    return day(moment) === today ? clock : `${day(moment)} ${clock}`;
  };
  const localise = () => {
    if (root.dataset.times !== "local") return;
    const today = day(Number.isNaN(base) ? new Date() : new Date(base));
    for (const time of document.querySelectorAll("time[datetime]:not([data-relative])")) {
      const text = zoned(new Date(time.dateTime), today);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  arrive();
  tick();
  localise();
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  for (const answered of ["htmx:afterSwap", "live:now"])
    document.addEventListener(answered, () => {
      arrive();
      tick();
      localise();
    });
  // A page that Back shows again may be as old as anything. live.js asks anew where there is something to ask for.
  const again = () => document.querySelector("[data-live]") || location.reload();
  if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") again();
  window.addEventListener("pageshow", (event) => event.persisted && again());
})();
