// Sets the colours before the first paint: as the system says, or as the reader chose.
"use strict";
(() => {
  let chosen = "auto";
  try { chosen = localStorage.getItem("alloytrio-theme") || "auto"; } catch { /* storage may be blocked */ }
  document.documentElement.dataset.theme = chosen;
})();
