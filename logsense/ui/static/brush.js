// The histogram: drag over it, or choose with the arrow keys, to narrow the time. Without this, its bars are links.
(() => {
  "use strict";
  const svg = document.querySelector("svg[data-brush]");
  if (!svg) return;
  const first = Number(svg.dataset.first), last = Number(svg.dataset.last), step = Number(svg.dataset.step);
  const width = svg.viewBox.baseVal.width, height = svg.viewBox.baseVal.height;
  const total = Math.max(1, Math.round((last - first) / step));
  const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  shade.setAttribute("class", "brush");
  shade.setAttribute("height", String(height));
  shade.setAttribute("width", "0");
  svg.append(shade);
  svg.setAttribute("tabindex", "0");
  let from = -1, to = -1;  // bars, both ends included

  const show = () => {
    const [a, b] = [Math.min(from, to), Math.max(from, to)];
    shade.setAttribute("x", String(a * width / total));
    shade.setAttribute("width", from < 0 ? "0" : String((b - a + 1) * width / total));
  };
  const address = () => {
    const place = new URL(location.href);
    const [a, b] = [Math.min(from, to), Math.max(from, to)];
    place.searchParams.set("from", new Date(first + a * step).toISOString());
    place.searchParams.set("to", new Date(first + (b + 1) * step).toISOString());
    for (const name of ["offset", "live"]) place.searchParams.delete(name);
    return place.href;
  };
  const bar = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(total - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * total)));
  };

  let begun = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    begun = { at: bar(event), x: event.clientX, dragged: false };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!begun) return;
    if (!begun.dragged && Math.abs(event.clientX - begun.x) < 5) return;
    if (!begun.dragged) {
      begun.dragged = true;
      svg.setPointerCapture(event.pointerId);
    }
    from = begun.at;
    to = bar(event);
    show();
  });
  svg.addEventListener("pointerup", () => {
    const dragged = begun?.dragged;
    begun = null;
    if (dragged) location.href = address();
  });
  svg.addEventListener("pointercancel", () => { begun = null; from = to = -1; show(); });
  svg.addEventListener("dragstart", (event) => event.preventDefault());  // the bars are links
  svg.addEventListener("click", (event) => {
    if (from >= 0 && from !== to) event.preventDefault();
  });
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) {
      event.preventDefault();
      to = Math.min(total - 1, Math.max(0, (to < 0 ? (move > 0 ? -1 : total) : to) + move));
      if (!event.shiftKey || from < 0) from = to;
      show();
    } else if (event.key === "Enter" && from >= 0) {
      event.preventDefault();
      location.href = address();
    } else if (event.key === "Escape") {
      from = to = -1;
      show();
    }
  });
})();
