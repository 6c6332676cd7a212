// Everything here is a convenience: the pages work without it.
(() => {
  "use strict";
  const nonce = document.currentScript.nonce;
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const store = {
    get(key) { try { return localStorage.getItem(key) || ""; } catch { return ""; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* not kept, then */ } },
  };

  // -- times: the browser's own zone on hover
  const words = document.documentElement.dataset;  // what this file says, in the language of the page
  const zone = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  const localTimes = (within) => {
    for (const time of $$("time[datetime]", within)) {
      const at = new Date(time.dateTime);
      if (!isNaN(at) && !time.dataset.local) {
        time.title += `\n${zone.format(at)} (${words.here})`;
        time.dataset.local = "1";
      }
    }
  };

  // -- theme
  const theme = () =>
    document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const toggleTheme = () => {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    store.set("theme", next);
    redrawCharts();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redrawCharts());

  // -- charts: the picture is there already; draw over it when it comes into view
  let bokeh = null, leaving = false;  // whoever goes to another page breaks off what is on its way
  addEventListener("beforeunload", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  const loadBokeh = () => {
    bokeh ??= new Promise((resolve, reject) => {
      // BokehJS makes <style> elements; the Content-Security-Policy lets only those with the nonce style anything.
      const create = document.createElement.bind(document);
      document.createElement = (tag, options) => {
        const element = create(tag, options);
        if (tag === "style") element.nonce = nonce;
        return element;
      };
      const script = create("script");
      script.src = $("meta[name=bokeh]")?.content || "/static/bokeh/bokeh.min.js";
      script.onload = () => { window.Bokeh.set_log_level("error"); resolve(window.Bokeh); };
      script.onerror = reject;
      document.head.append(script);
    });
    return bokeh;
  };
  const draw = async (box) => {
    const wanted = theme();
    if (box.dataset.drawn === wanted) return;
    box.dataset.drawn = wanted;
    try {
      const glue = box.dataset.chart.includes("?") ? "&" : "?";
      const [Bokeh, answer] = await Promise.all([loadBokeh(), fetch(`${box.dataset.chart}${glue}theme=${wanted}`)]);
      if (!answer.ok) throw new Error(`the chart's data answered ${answer.status}`);
      const item = await answer.json();
      const target = document.createElement("div");
      target.className = "chart-live";
      target.id = `chart-${Math.random().toString(36).slice(2)}`;
      box.querySelector(".chart-live")?.remove();
      box.append(target);
      await Bokeh.embed.embed_item(item, target.id);
      box.classList.add("is-live");
    } catch (error) {
      if (!leaving) console.warn("The picture stays, the interactive chart failed:", error.message);
    }
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "150px" });
  const watchCharts = (within) => $$("[data-chart]", within).forEach((box) => seen.observe(box));
  const redrawCharts = () => $$("[data-chart].is-live").forEach(draw);

  // -- evidence: a sheet over the page, so that the summary stays where it was
  const sheet = $("#sheet"), body = $("#sheet-body");
  const openEvidence = async (link) => {
    const address = new URL(link.href);
    address.searchParams.set("fragment", "1");
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(String(answer.status));
      body.innerHTML = await answer.text();  // our own escaped page; the CSP forbids scripts in it anyway
      enhance(body);
      if (!sheet.open) sheet.showModal();
      sheet.scrollTop = 0;
      $(".here", body)?.scrollIntoView({ block: "center" });
    } catch {
      location.href = link.href;
    }
  };

  // -- lists: j and k
  let current = null;
  const move = (step) => {
    const items = $$("[data-list] [data-item]").filter((item) => item.offsetParent);
    if (!items.length) return;
    const at = items.indexOf(current);
    current?.classList.remove("current");
    current = items[Math.min(items.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step))];
    current.classList.add("current");
    const link = $("a.msg", current) || $("a", current);
    link?.focus({ preventScroll: true });
    current.scrollIntoView({ block: "nearest" });
  };

  // -- load more without leaving the page
  const loadMore = async (link) => {
    link.setAttribute("aria-busy", "true");
    try {
      const page = new DOMParser().parseFromString(await (await fetch(link.href)).text(), "text/html");
      const added = $$("#hits > li", page);
      $("#hits").append(...added);
      localTimes($("#hits"));
      const more = $("a[data-more]", page);
      if (more) { link.href = more.getAttribute("href"); link.removeAttribute("aria-busy"); } else link.remove();
      $("a.msg", added[0])?.focus();
    } catch {
      location.href = link.href;
    }
  };

  // -- copying; where the browser does not let us (no HTTPS), the text is marked for the person to copy
  const keep = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    const before = button.innerHTML;
    if (button.dataset.busy) return;
    button.dataset.busy = "1";
    button.textContent = words.copied;
    setTimeout(() => { button.innerHTML = before; delete button.dataset.busy; }, 1500);
  };

  // -- a chip: its words are marked in the question, to be typed over
  const choose = (said) => {
    const box = $("#q");
    box.focus();
    const at = said ? box.value.toLowerCase().indexOf(said.toLowerCase()) : -1;
    if (at >= 0) box.setSelectionRange(at, at + said.length); else box.select();
  };

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    if (on("[data-theme-toggle]")) return toggleTheme();
    if (on("[data-help]")) return $("#help").showModal();
    if (on("[data-close]")) return on("dialog").close();
    const copy = on("[data-copy]");
    if (copy) {
      return keep($("code", copy.parentElement).textContent, copy);
    }
    const from = on("[data-copy-from]");
    if (from) return keep($(`#${from.dataset.copyFrom}`).textContent, from);
    const text = on("[data-copy-text]");
    if (text) return keep(text.dataset.copyText, text);
    if (on("[data-copy-link]")) return keep(location.href, on("[data-copy-link]"));
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const chip = on("a[data-select]");
    if (chip) { event.preventDefault(); return choose(chip.dataset.select); }
    const evidence = on("a[data-evidence]");
    if (evidence) { event.preventDefault(); return openEvidence(evidence); }
    const more = on("a[data-more]");
    if (more) { event.preventDefault(); return loadMore(more); }
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });

  let leader = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const places = { o: "/", i: "/incidents", s: "/search", h: "/hosts", t: "/templates" };
    if (Date.now() - leader < 1000 && places[event.key]) { location.href = places[event.key]; return; }
    if (event.key === "g") leader = Date.now();
    if ($("dialog[open]")) return;
    if (event.key === "/") { event.preventDefault(); $("#q")?.focus(); $("#q")?.select(); }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "t") toggleTheme();
    else if (event.key === "n" && $("#note")) { event.preventDefault(); $("#note textarea").focus(); }
    else if ($(`[aria-keyshortcuts="${CSS.escape(event.key)}"]`)) $(`[aria-keyshortcuts="${CSS.escape(event.key)}"]`).click();
    else if (event.key === "?") $("#help").showModal();
  });

  // -- the name of whoever acts, remembered in this browser
  document.addEventListener("input", (event) => {
    if (event.target.matches("input[data-name]:not([type=hidden])")) {
      store.set("name", event.target.value);
      $$("input[data-name][type=hidden]").forEach((field) => { field.value = event.target.value; });
    }
  });

  const enhance = (within) => { localTimes(within); watchCharts(within); };
  $$("input[data-name]").forEach((field) => { field.value = store.get("name"); });
  enhance(document);
})();
