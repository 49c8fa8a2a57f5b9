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
    // An edge that goes over a column of nodes has a passage there.
    const passages = new Map();
    graph.querySelectorAll("[data-via]").forEach((passage) => {
      const key = passage.dataset.via;
      if (!passages.has(key)) passages.set(key, []);
      passages.get(key).push(box(passage, origin));
    });
    const via = (link) => passages.get(`${link.dataset.from} ${link.dataset.to}`) || [];
    const across = (place) => sideways ? place.top + place.height / 2 : place.left + place.width / 2;
    const beside = (link, end) => across(via(link).at(end === "from" ? 0 : -1) || nodes.get(link.dataset[end === "from" ? "to" : "from"]));
    const sides = (end) => {
      const found = new Map();
      [...links].sort((one, two) => beside(one, end) - beside(two, end)).forEach((link) => {
        if (!found.has(link.dataset[end])) found.set(link.dataset[end], []);
        found.get(link.dataset[end]).push(link);
      });
      return found;
    };
    const leaving = sides("from"), arriving = sides("to");
    const svg = graph.querySelector(".edges");
    svg.setAttribute("viewBox", `0 0 ${origin.width} ${graph.scrollHeight}`);
    const paths = [];
    for (const link of links) {
      const from = nodes.get(link.dataset.from), to = nodes.get(link.dataset.to);
      const out = leaving.get(link.dataset.from), into = arriving.get(link.dataset.to);
      // Points along the flow and across it; between two of them the edge bends, within a passage it is straight.
      const points = sideways
        ? [[from.left + from.width, spread(from.top, from.height, out.indexOf(link), out.length)],
          ...via(link).flatMap((each) => [[each.left, across(each)], [each.left + each.width, across(each)]]),
          [to.left, spread(to.top, to.height, into.indexOf(link), into.length)]]
        : [[from.top + from.height, spread(from.left, from.width, out.indexOf(link), out.length)],
          ...via(link).flatMap((each) => [[each.top, across(each)], [each.top + each.height, across(each)]]),
          [to.top, spread(to.left, to.width, into.indexOf(link), into.length)]];
      const at = (along, offset) => sideways ? `${along} ${offset}` : `${offset} ${along}`;
      let drawn = `M${at(...points[0])}`;
      for (let index = 1; index < points.length; index++) {
        const [along1, offset1] = points[index - 1], [along2, offset2] = points[index];
        const bend = Math.max(sideways ? 20 : 14, (along2 - along1) / 2);
        drawn += index % 2 ? `C${at(along1 + bend, offset1)} ${at(along2 - bend, offset2)} ${at(along2, offset2)}` : `L${at(along2, offset2)}`;
      }
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", drawn);
      path.setAttribute("class", link.querySelector("[data-cell]").classList.contains("ok") ? "moving" : "");
      paths.push(path);
      // The rate stands in the gap behind the node that hands on; where nodes are below each other, not all in one line.
      const part = sideways ? .5 : points.length > 2 ? .75 : .3;
      const [along, offset] = [0, 1].map((index) => points[0][index] + part * (points[1][index] - points[0][index]));
      link.style.left = `${sideways ? along : offset}px`;
      link.style.top = `${sideways ? offset : along}px`;
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
