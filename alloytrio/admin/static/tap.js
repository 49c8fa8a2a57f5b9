// The live page: opens a tap's stream and lists what passes, newest first. All texts are set as text, never as HTML.
"use strict";
(() => {
  const MOST = 500; // items kept on the page
  const form = document.querySelector("[data-tap]");
  const list = document.querySelector("[data-taps]");
  const state = document.querySelector("[data-tap-state]");
  const pause = document.querySelector("[data-pause]");
  const number = new Intl.NumberFormat("en", { useGrouping: true });
  let events = null, paused = false, waiting = [];

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = window.alloytrio.visible(text);
    return element;
  };
  const chips = (labels) => {
    const span = make("span", "labels");
    for (const [key, value] of Object.entries(labels || {})) {
      const chip = make("span", "chip");
      chip.append(make("b", "", key), window.alloytrio.visible(` ${value}`));
      span.append(chip, " ");
    }
    return span;
  };
  const stages = (effects) => {
    const effectList = make("ol", "stages");
    for (const each of effects) {
      const row = make("li", each.dropped ? "dropped" : "");
      row.append(make("b", "", each.stage), " ");
      if (each.dropped) row.append(make("span", "word bad", "dropped here"));
      else if (each.held) row.append(make("span", "word", "held back, or joined to another line"));
      else if (each.released) row.append(make("span", "word ok", "let go, as it is above"));
      else if (!Object.keys(each.changes).length) row.append(make("span", "small", "changes nothing"));
      for (const [what, value] of Object.entries(each.changes || {})) {
        const chip = make("span", "chip");
        chip.append(make("b", "", what), window.alloytrio.visible(` ${value}`));
        row.append(chip, " ");
      }
      effectList.append(row);
    }
    return effectList;
  };
  const row = (item) => {
    const li = make("li", item.level || "");
    const details = make("details"), summary = make("summary");
    const time = make("time", "clock");
    if (item.time_ms) { time.dataset.ms = item.time_ms; time.dataset.clock = ""; }
    summary.append(time, make("span", `level ${item.level || ""}`, item.level || item.kind));
    if (item.service) summary.append(make("span", "service", item.service));
    summary.append(make("span", "text", item.text || "(empty)"));
    if (item.detail) summary.append(make("span", "detail", item.detail));
    const more = make("div", "more");
    more.append(make("pre", "", item.text || ""));
    if (item.trace_id) {
      const link = make("a", "", "Show its trace");
      link.href = `${window.alloytrio.base}/traces/${encodeURIComponent(item.trace_id)}${item.span_id ? `?span=${encodeURIComponent(item.span_id)}` : ""}`;
      const line = make("p");
      line.append(link, " ", make("code", "", item.trace_id));
      more.append(line);
    }
    if (item.stages) more.append(stages(item.stages));
    more.append(chips(item.labels));
    details.append(summary, more);
    li.append(details);
    return li;
  };
  const flush = () => {
    if (!waiting.length || paused) return;
    const rows = waiting.splice(0).slice(-MOST).map(row).reverse();
    list.prepend(...rows);
    while (list.childElementCount > MOST) list.lastElementChild.remove();
    window.alloytrio.showTimes(list);
  };
  setInterval(flush, 250);

  const stop = (text) => {
    if (events) events.close();
    events = null;
    pause.disabled = true;
    state.textContent = text;
  };
  const start = () => {
    stop("Connecting …");
    const values = new FormData(form);
    const query = new URLSearchParams({ text: values.get("text"), label: values.get("label"), rate: values.get("rate") });
    if (values.get("kind")) query.set("kind", values.get("kind"));
    const address = `${window.alloytrio.base}/api/v1/components/${encodeURIComponent(values.get("component"))}/tap?${query}`;
    events = new EventSource(address);
    events.addEventListener("open", () => { state.textContent = "Watching; nothing has passed yet."; pause.disabled = false; });
    events.addEventListener("item", (message) => { waiting.push(JSON.parse(message.data)); if (waiting.length > MOST) waiting.shift(); });
    events.addEventListener("count", (message) => {
      const counts = JSON.parse(message.data);
      const missed = counts.missed ? `, ${number.format(counts.missed)} more requests or lines passed too fast to be looked at` : "";
      state.textContent = `${paused ? "Paused" : "Watching"}: ${number.format(counts.shown)} of ${number.format(counts.seen)} shown${missed}.`;
    });
    events.addEventListener("error", async () => {
      if (events && events.readyState === EventSource.CLOSED) {
        let reason = "The stream ended.";
        try { const answer = await fetch(address); if (!answer.ok) reason = (await answer.json()).error; else answer.body.cancel(); } catch { reason = "No connection."; }
        stop(reason);
      } else state.textContent = "No connection, trying again …";
    });
  };
  form.addEventListener("submit", (submit) => { submit.preventDefault(); paused = false; pause.textContent = "Pause"; list.replaceChildren(); waiting = []; start(); });
  pause.addEventListener("click", () => { paused = !paused; pause.textContent = paused ? "Go on" : "Pause"; flush(); });
  document.querySelector("[data-clear]").addEventListener("click", () => { list.replaceChildren(); waiting = []; });
  addEventListener("pagehide", () => stop("Not watching."));
  if (new URLSearchParams(location.search).has("component")) start();
})();
