// Keeps the landing page's status pill true: asks /health every 15 seconds while somebody looks.
"use strict";
(() => {
  const pill = document.querySelector("[data-health]");
  const words = pill.querySelector("[data-words]");

  async function ask() {
    if (document.hidden) return;
    let state = "down";
    try {
      const answer = await fetch(pill.dataset.health, { cache: "no-store", headers: { Accept: "application/json" } });
      state = answer.ok ? "ok" : answer.status === 503 ? "trouble" : "down";
      const body = await answer.json();
      if (state === "ok" && body.status && body.status !== "ok") state = "trouble";
    } catch { /* what is known by now is said */ }
    if (pill.dataset.state === state) return;
    pill.dataset.state = state;
    words.textContent = pill.dataset[state];
  }
  ask();
  setInterval(ask, 15000);
  document.addEventListener("visibilitychange", ask);
})();
