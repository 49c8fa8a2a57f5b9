// Draws the edges between the nodes that the server placed in columns, and puts each edge's rate on its middle.
// The columns are side by side, or below each other on narrow screens; the edges follow where the nodes are.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const main = document.getElementById("main");

  const box = (element, origin) => {
    const found = element.getBoundingClientRect();
    return { left: found.left - origin.left, top: found.top - origin.top, width: found.width, height: found.height };
  };

  // The place on a node's side where the index-th of several edges begins or ends.
  const spread = (start, length, index, count) => start + length * (index + 1) / (count + 1);

  const draw = (graph) => {
    const origin = graph.getBoundingClientRect();
    if (!origin.width) return;
    const sideways = getComputedStyle(graph).flexDirection === "row";
    const nodes = new Map();
    graph.querySelectorAll("[data-node]").forEach((node) => nodes.set(node.dataset.node, box(node.firstElementChild, origin)));
    const links = [...graph.querySelectorAll("[data-from]")].filter((link) => nodes.has(link.dataset.from) && nodes.has(link.dataset.to));
    const across = (id) => sideways ? nodes.get(id).top : nodes.get(id).left;
    const sides = (end, other) => {
      const found = new Map();
      [...links].sort((one, two) => across(one.dataset[other]) - across(two.dataset[other])).forEach((link) => {
        if (!found.has(link.dataset[end])) found.set(link.dataset[end], []);
        found.get(link.dataset[end]).push(link);
      });
      return found;
    };
    const leaving = sides("from", "to"), arriving = sides("to", "from");
    const svg = graph.querySelector(".edges");
    svg.setAttribute("viewBox", `0 0 ${origin.width} ${graph.scrollHeight}`);
    const paths = [];
    for (const link of links) {
      const from = nodes.get(link.dataset.from), to = nodes.get(link.dataset.to);
      const out = leaving.get(link.dataset.from), into = arriving.get(link.dataset.to);
      let x1, y1, x2, y2, bend;
      if (sideways) {
        [x1, x2] = [from.left + from.width, to.left];
        y1 = spread(from.top, from.height, out.indexOf(link), out.length);
        y2 = spread(to.top, to.height, into.indexOf(link), into.length);
        bend = Math.max(20, (x2 - x1) / 2);
      } else {
        [y1, y2] = [from.top + from.height, to.top];
        x1 = spread(from.left, from.width, out.indexOf(link), out.length);
        x2 = spread(to.left, to.width, into.indexOf(link), into.length);
        bend = Math.max(14, (y2 - y1) / 2);
      }
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", sideways
        ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
        : `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`);
      path.setAttribute("class", link.querySelector("[data-cell]").classList.contains("ok") ? "moving" : "");
      paths.push(path);
      link.style.left = `${(x1 + x2) / 2}px`;
      link.style.top = `${(y1 + y2) / 2}px`;
    }
    svg.replaceChildren(...paths);
    graph.classList.add("drawn");
  };

  const drawAll = () => main.querySelectorAll("[data-graph]").forEach(draw);
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAll(); });
  };
  const observer = new ResizeObserver(soon);
  const observe = () => { observer.disconnect(); main.querySelectorAll("[data-graph]").forEach((graph) => observer.observe(graph)); drawAll(); };
  main.addEventListener("replaced", observe);
  main.addEventListener("cells", soon);
  observe();
})();
