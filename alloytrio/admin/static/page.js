// On every page: theme, times in the reader's zone, copy buttons, and live cells. No framework, no build step.
"use strict";
(() => {
  const base = document.body.dataset.base || "";
  const main = document.getElementById("main");

  // Theme: automatic, light, dark.
  const themes = ["auto", "light", "dark"];
  const marks = { auto: "◐", light: "☀", dark: "☾" };
  const names = { auto: "as the system", light: "light", dark: "dark" };
  const button = document.querySelector("[data-theme-button]");
  const showTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = marks[theme];
    button.setAttribute("aria-label", `Colours: ${names[theme]}`);
    button.title = `Colours: ${names[theme]}`;
  };
  showTheme(document.documentElement.dataset.theme || "auto");
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    try { localStorage.setItem("alloytrio-theme", next); } catch { /* only for this page, then */ }
    showTheme(next);
  });

  // Times: "12 s ago" with the exact value on hover; clocks in log lines show the time of day.
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const spoken = (seconds) => {
    for (const [size, unit] of steps) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    return "0 s";
  };
  const ago = (ms) => {
    const seconds = (Date.now() - ms) / 1000;
    if (seconds < -1) return `in ${spoken(-seconds)}`;
    return seconds < 1.5 ? "now" : `${spoken(seconds)} ago`;
  };
  const showTime = (element) => {
    const ms = Number(element.dataset.ms), date = new Date(ms);
    if (Number.isNaN(date.getTime())) return;
    if (!element.title) element.title = exact.format(date);
    if ("clock" in element.dataset) {
      if (element.dataset.shown) return;
      element.dataset.shown = "1";
      const today = date.toDateString() === new Date().toDateString();
      element.textContent = today ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
    } else {
      const text = ago(ms);
      if (element.textContent !== text) element.textContent = text;
    }
  };
  const showTimes = (root) => {
    root.querySelectorAll("time[data-ms]").forEach(showTime);
    root.querySelectorAll("[data-since]").forEach((element) => {
      element.textContent = spoken((Date.now() - Number(element.dataset.since)) / 1000);
    });
  };
  showTimes(document);
  setInterval(() => showTimes(document), 1000);

  document.addEventListener("click", async (click) => {
    const copy = click.target.closest("[data-copy]");
    if (!copy) return;
    const label = copy.textContent;
    try {
      await navigator.clipboard.writeText(copy.parentElement.querySelector("pre").textContent);
      copy.textContent = "Copied";
    } catch { copy.textContent = "Select it"; }
    setTimeout(() => { copy.textContent = label; }, 1500);
  });

  // Controls and direction marks are shown instead of obeyed, as in rendering.py.
  const visible = (text) => String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

  // Live cells: the server sends texts, colours, bars and lines by key; see overview.py.
  const words = ["ok", "warn", "bad"];
  const showCell = (element, cell) => {
    words.forEach((word) => element.classList.toggle(word, cell.state === word));
    if (cell.title) element.title = visible(cell.title); else element.removeAttribute("title");
    if (cell.time_ms) {
      const old = element.querySelector("time");
      if (old && old.dataset.ms === String(cell.time_ms)) return;
      const time = document.createElement("time");
      time.dataset.ms = cell.time_ms;
      time.dateTime = new Date(cell.time_ms).toISOString();
      showTime(time);
      element.replaceChildren(time);
    } else {
      const text = visible(cell.text);
      if (element.textContent !== text) element.textContent = text;
    }
  };
  const showCells = (cells) => {
    main.querySelectorAll("[data-cell]").forEach((element) => {
      const cell = cells[element.dataset.cell];
      if (cell) showCell(element, cell);
    });
    main.querySelectorAll("[data-fill]").forEach((element) => {
      const cell = cells[element.dataset.fill];
      if (!cell) return;
      words.forEach((word) => element.classList.toggle(word, cell.state === word));
      element.querySelector(".fill").setAttribute("width", ((cell.fill || 0) * 100).toFixed(1));
    });
    main.querySelectorAll("[data-line]").forEach((element) => {
      const cell = cells[element.dataset.line];
      if (cell) element.setAttribute("points", cell.line || "");
    });
    main.dispatchEvent(new CustomEvent("cells"));
  };
  // When components came or went the page is fetched again, and only its content is replaced.
  let replacing = false;
  const replaceMain = async () => {
    if (replacing) return;
    replacing = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      main.replaceChildren(...fresh.childNodes);
      main.dataset.shape = fresh.dataset.shape;
      showTimes(main);
      main.dispatchEvent(new CustomEvent("replaced"));
    } catch { /* the stream will say when the service is back */ } finally { replacing = false; }
  };

  const state = document.querySelector("[data-link-state]");
  const say = (text, word) => {
    if (state.textContent !== text) state.textContent = text;
    state.className = `link-state ${word}`;
  };
  if (main.hasAttribute("data-live")) {
    const events = new EventSource(`${base}/api/v1/live`);
    events.addEventListener("cells", (message) => {
      const update = JSON.parse(message.data);
      say("live", "ok");
      if ("shape" in main.dataset && main.dataset.shape !== update.shape) replaceMain();
      else showCells(update.cells);
    });
    events.addEventListener("error", () => say("no connection, trying again", "bad"));
    addEventListener("pagehide", () => events.close());
  }
  window.alloytrio = { base, showTimes, visible };
})();
