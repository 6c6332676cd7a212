// Jobs that run: their words and bar are fetched anew until they end, then the page shows what came of them.
(() => {
  "use strict";
  const follow = async (box) => {
    for (let failures = 0; failures < 5;) {
      await new Promise((resolve) => setTimeout(resolve, document.hidden ? 5000 : 1000));
      try {
        const answer = await fetch(`/models/jobs/${encodeURIComponent(box.dataset.job)}`);
        if (!answer.ok) throw new Error(String(answer.status));
        const state = answer.headers.get("x-job-state");
        if (state !== "queued" && state !== "running") { location.replace("/models"); return; }
        // Whoever is about to press the button keeps it.
        if (!box.contains(document.activeElement)) box.innerHTML = await answer.text();
        failures = 0;
      } catch {
        failures += 1;
      }
    }
  };
  document.querySelectorAll("[data-job]").forEach(follow);
})();
