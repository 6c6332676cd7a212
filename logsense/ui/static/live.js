// Live lines: the server sends rows that are drawn already; here they are put on top, in one go for each event.
(() => {
  "use strict";
  const list = document.querySelector("#hits[data-stream]");
  if (!list || !window.EventSource) return;
  const cap = Number(list.dataset.cap) || 500;
  const state = document.querySelector("#live-state"), text = state.querySelector("span");
  const missedLine = document.querySelector("#live-missed"), button = document.querySelector("#live-pause");
  const label = button.querySelector("span");
  const waiting = document.createElement("ol");  // rows that came while paused; never more than the list holds
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const seen = new Set([...list.children].map((row) => row.dataset.id));
  let count = 0, missed = 0, held = 0, byHand = false, reading = false, source = null, cursor = "", retry = 0;

  const paused = () => byHand || reading;
  const say = (what, n = 0) => {
    const said = state.dataset[what].replace("{n}", number.format(n));
    if (text.textContent !== said) text.textContent = said;
    state.dataset.is = what;
  };
  const tell = () => {
    if (state.dataset.is === "lost" || state.dataset.is === "refused") return;
    if (paused()) say("paused", held); else if (count) say("running", count); else say("waiting");
  };
  const trim = (box) => {
    while (box.children.length > cap) {
      seen.delete(box.lastElementChild.dataset.id);
      box.lastElementChild.remove();
    }
  };
  const put = () => {
    // What is above the window may grow without moving what is read: the browser anchors the scroll.
    list.prepend(...waiting.children);
    trim(list);
    held = 0;
  };
  const look = () => {
    if (!paused() && waiting.children.length) put();
    button.setAttribute("aria-pressed", String(byHand));
    label.textContent = label.dataset[paused() ? "on" : "off"];
    tell();
  };

  const take = (event) => {
    cursor = event.lastEventId || cursor;
    const page = new DOMParser().parseFromString(`<ol>${event.data}</ol>`, "text/html");  // scripts in it never run
    const rows = [...page.querySelectorAll("ol > li")].filter((row) => !seen.has(row.dataset.id));
    if (!rows.length) return;
    for (const row of rows) { seen.add(row.dataset.id); row.classList.add("fresh"); }
    count += rows.length;
    held += paused() ? rows.length : 0;
    waiting.prepend(...rows);
    trim(waiting);
    look();
  };
  const connect = () => {
    const place = new URL(list.dataset.stream, location.href);
    if (cursor) place.searchParams.set("after", cursor);
    source = new EventSource(place);
    source.addEventListener("open", () => { retry = 0; state.dataset.is = ""; tell(); });
    source.addEventListener("lines", take);
    source.addEventListener("alive", (event) => { cursor = event.lastEventId || cursor; });
    source.addEventListener("missed", (event) => {
      missed += Number(JSON.parse(event.data).count) || 0;
      missedLine.hidden = false;
      missedLine.textContent = missedLine.dataset.missed.replace("{n}", number.format(missed));
    });
    source.addEventListener("end", () => { source.close(); say("ended"); again(); });
    source.addEventListener("error", () => {
      const refused = source.readyState === EventSource.CLOSED;  // by its status: the browser does not try again
      say(refused ? "refused" : "lost");
      if (refused) again();
    });
  };
  const again = () => setTimeout(connect, Math.min(30000, 2000 * 2 ** retry++));

  button.addEventListener("click", () => {
    byHand = !paused();
    if (!byHand) { reading = false; document.activeElement?.blur?.(); scrollTo({ top: 0 }); }
    look();
  });
  // Whoever scrolls down, walks through the lines or marks text is reading: nothing may move then.
  const check = () => {
    const chosen = getSelection();
    const marked = chosen && !chosen.isCollapsed && list.contains(chosen.anchorNode);
    const below = list.getBoundingClientRect().top < -40;
    const now = below || marked || list.contains(document.activeElement);
    if (now !== reading) { reading = now; look(); }
  };
  addEventListener("scroll", check, { passive: true });
  document.addEventListener("selectionchange", check);
  document.addEventListener("focusin", check);
  document.addEventListener("focusout", () => setTimeout(check));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
  look();
})();
