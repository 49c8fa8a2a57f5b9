// Draws the edges between the nodes that the server placed in columns, and puts each edge's rate on it.
// The columns are side by side, or below each other on narrow screens; the edges follow where the nodes are.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const main = document.getElementById("main");
  const STEP = 8; // pixels between two places on an edge that are tried for its rate
  const AIR = 3; // pixels between a rate and what it must not touch
  const GROWTHS = 6; // times that the gaps between columns grow at most, when rates do not fit
  const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

  const box = (element, origin, scrolled) => {
    const found = element.getBoundingClientRect();
    return { left: found.left - origin.left + scrolled, top: found.top - origin.top, width: found.width, height: found.height };
  };
  const overlap = (one, other) => one.left < other.left + other.width + AIR && other.left < one.left + one.width + AIR
    && one.top < other.top + other.height + AIR && other.top < one.top + one.height + AIR;

  // The place on a node's side where the index-th of several edges begins or ends.
  const spread = (start, length, index, count) => start + length * (index + 1) / (count + 1);

  // Where everything stands, in pixels from the corner of the graph.
  const measure = (graph) => {
    const origin = graph.getBoundingClientRect(), scrolled = graph.scrollLeft;
    const sideways = getComputedStyle(graph).flexDirection === "row";
    const nodes = new Map();
    graph.querySelectorAll("[data-node]").forEach((node) => nodes.set(node.dataset.node, box(node.firstElementChild, origin, scrolled)));
    const links = [...graph.querySelectorAll("[data-from]")].filter((link) => nodes.has(link.dataset.from) && nodes.has(link.dataset.to));
    // An edge that goes over a column of nodes has a passage there.
    const passages = new Map();
    graph.querySelectorAll("[data-via]").forEach((passage) => {
      const key = passage.dataset.via;
      if (!passages.has(key)) passages.set(key, []);
      passages.get(key).push(box(passage, origin, scrolled));
    });
    return { sideways, nodes, links, via: (link) => passages.get(`${link.dataset.from} ${link.dataset.to}`) || [] };
  };

  // The way of each edge: points along the flow and across it; between two of them it bends, within a passage it is straight.
  const ways = ({ sideways, nodes, links, via }) => {
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
    return links.map((link) => {
      const from = nodes.get(link.dataset.from), to = nodes.get(link.dataset.to);
      const out = leaving.get(link.dataset.from), into = arriving.get(link.dataset.to);
      return sideways
        ? [[from.left + from.width, spread(from.top, from.height, out.indexOf(link), out.length)],
          ...via(link).flatMap((each) => [[each.left, across(each)], [each.left + each.width, across(each)]]),
          [to.left, spread(to.top, to.height, into.indexOf(link), into.length)]]
        : [[from.top + from.height, spread(from.left, from.width, out.indexOf(link), out.length)],
          ...via(link).flatMap((each) => [[each.top, across(each)], [each.top + each.height, across(each)]]),
          [to.top, spread(to.left, to.width, into.indexOf(link), into.length)]];
    });
  };
  const path = (points, sideways) => {
    const at = (along, offset) => sideways ? `${along} ${offset}` : `${offset} ${along}`;
    let drawn = `M${at(...points[0])}`;
    for (let index = 1; index < points.length; index++) {
      const [along1, offset1] = points[index - 1], [along2, offset2] = points[index];
      const bend = Math.max(sideways ? 20 : 14, (along2 - along1) / 2);
      drawn += index % 2 ? `C${at(along1 + bend, offset1)} ${at(along2 - bend, offset2)} ${at(along2, offset2)}` : `L${at(along2, offset2)}`;
    }
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("d", drawn);
    return element;
  };

  // Room for a rate: as large as it ever was, and as the usual ones are, so that nothing moves while figures change.
  const reserve = (link) => {
    const rate = link.querySelector(".rate"), usual = /target|rules|credentials/.test(rate.textContent) ? 0 : 6.6 * rem();
    const width = Math.max(Math.ceil(rate.offsetWidth), Number(link.dataset.width || 0), rate.textContent ? usual : 0);
    const height = Math.max(Math.ceil(rate.offsetHeight), Number(link.dataset.height || 0));
    link.dataset.width = width;
    link.dataset.height = height;
    return { width, height };
  };

  // A place on each edge for its rate, where it lies over no node and no other rate, near the middle of the first gap
  // and over few other edges. Those with the shortest way have the least choice and go first. Returns whether all fit.
  const place = (edges, obstacles, width) => {
    const taken = [...obstacles];
    let fits = true;
    for (const edge of [...edges].sort((one, two) => one.spots.length - two.spots.length)) {
      const { size, spots, link } = edge;
      let best = null;
      for (const [index, spot] of spots.entries()) {
        for (const shift of [0, -.7, .7, -1.4, 1.4]) {
          const [x, y] = [spot.x, spot.y + shift * size.height];
          const tried = { left: x - size.width / 2, top: y - size.height / 2, ...size };
          if (tried.left < 0 || tried.top < 0 || tried.left + size.width > width) continue;
          const hit = taken.some((each) => overlap(tried, each)) ? 1000 : 0;
          const crossed = edges.filter((other) => other !== edge && other.spots.some((each) => overlap(tried, { left: each.x, top: each.y, width: 0, height: 0 }))).length;
          const cost = hit + Math.abs(index - edge.wanted) * STEP / 40 + crossed + Math.abs(shift) * 3;
          if (!best || cost < best.cost) best = { cost, x, y, tried };
        }
      }
      if (!best) continue;
      fits = fits && best.cost < 1000;
      taken.push(best.tried);
      link.style.left = `${best.x}px`;
      link.style.top = `${best.y}px`;
    }
    return fits;
  };

  const draw = (graph) => {
    if (!graph.getBoundingClientRect().width) return;
    const places = measure(graph), sizes = places.links.map(reserve);
    const signature = JSON.stringify([places.sideways, [...places.nodes.values()].map(Object.values), sizes, graph.scrollWidth]);
    const svg = graph.querySelector(".edges");
    if (graph.dataset.drawn !== signature) {
      const paths = ways(places).map((points) => [path(points, places.sideways), points]);
      svg.replaceChildren(...paths.map(([drawn]) => drawn));
      svg.style.width = `${graph.scrollWidth}px`;
      svg.setAttribute("viewBox", `0 0 ${graph.scrollWidth} ${graph.scrollHeight}`);
      const edges = paths.map(([drawn, points], index) => {
        const length = drawn.getTotalLength(), count = Math.max(Math.floor(length / STEP), 1);
        const spots = Array.from({ length: count - 1 }, (_, each) => drawn.getPointAtLength((each + 1) * STEP));
        // Where nodes are below each other, those of several edges do not want to stand in one line.
        const gap = points.length > 2 ? Math.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]) : length;
        return { link: places.links[index], size: sizes[index], spots, wanted: gap / 2 / STEP - 1 };
      });
      const fits = place(edges, places.nodes.values(), graph.scrollWidth);
      const grown = Number(graph.dataset.grown || 0);
      if (!fits && grown < GROWTHS) {
        graph.dataset.grown = grown + 1;
        graph.style.setProperty("--grown", `${(grown + 1) * 1.2}rem`);
        return draw(graph);
      }
      graph.dataset.drawn = signature;
    }
    [...svg.children].forEach((drawn, index) => {
      drawn.setAttribute("class", places.links[index].querySelector("[data-cell]").classList.contains("ok") ? "moving" : "");
    });
    graph.classList.add("drawn");
  };

  const drawAll = () => main.querySelectorAll("[data-graph]").forEach(draw);
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAll(); });
  };
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width === innerWidth) return;
    width = innerWidth;
    main.querySelectorAll("[data-graph]").forEach((graph) => {
      delete graph.dataset.grown;
      graph.style.removeProperty("--grown");
    });
    soon();
  });
  const observer = new ResizeObserver(soon);
  const observe = () => { observer.disconnect(); main.querySelectorAll("[data-graph]").forEach((graph) => observer.observe(graph)); drawAll(); };
  main.addEventListener("replaced", observe);
  main.addEventListener("cells", soon);
  observe();
})();
