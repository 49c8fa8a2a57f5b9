// In a trace: a click on a span fetches its details and its log lines, without losing the place in the waterfall.
"use strict";
(() => {
  const main = document.getElementById("main");
  const show = async (address, remember) => {
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.getElementById("detail").replaceWith(fresh.getElementById("detail"));
    } catch {
      location.assign(address);
      return;
    }
    const wanted = new URL(address, location.href).searchParams.get("span");
    main.querySelectorAll(".waterfall a").forEach((link) => {
      if (new URL(link.href).searchParams.get("span") === wanted) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    if (remember) history.pushState(null, "", address);
    window.alloytrio.showTimes(document.getElementById("detail"));
  };
  main.addEventListener("click", (click) => {
    const link = click.target.closest(".waterfall a, a[data-whole]");
    if (!link || click.ctrlKey || click.metaKey || click.shiftKey || click.button) return;
    click.preventDefault();
    show(link.href, true);
  });
  // Up and down move along the waterfall.
  main.addEventListener("keydown", (key) => {
    const link = key.target.closest(".waterfall a");
    if (!link || (key.key !== "ArrowDown" && key.key !== "ArrowUp")) return;
    const row = key.key === "ArrowDown" ? link.parentElement.nextElementSibling : link.parentElement.previousElementSibling;
    if (row) { key.preventDefault(); row.firstElementChild.focus(); }
  });
  addEventListener("popstate", () => show(location.href, false));
})();
