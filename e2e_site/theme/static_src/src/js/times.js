// Relative times go on ticking between two answers of the server, and say the local time on hover.
(() => {
  const UNITS = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const words = (seconds) => {
    const size = Math.abs(seconds);
    if (size < 1) return "now";
    const [unit, name] = UNITS.find(([length]) => size >= length);
    const text = `${Math.floor(size / unit)} ${name}`;
    return seconds < 0 ? `in ${text}` : `${text} ago`;
  };
  // The server's clock is the one that wrote the times.
  const skew = Date.now() - Date.parse(document.documentElement.dataset.now ?? new Date().toISOString());
  const tick = () => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const moment = new Date(time.dateTime);
      const text = words((Date.now() - skew - moment) / 1000);
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.localised) {
        time.title = `${time.title}\n${moment.toLocaleString()} (local)`;
        time.dataset.localised = "yes";
      }
    }
  };
  tick();
  setInterval(tick, 1000);
})();
