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
      const { status } = await answer.json();
      state = status === "ok" ? "ok" : status === "degraded" ? "trouble" : "down";
    } catch { /* no answer is an answer */ }
    if (pill.dataset.state === state) return;
    pill.dataset.state = state;
    words.textContent = pill.dataset[state];
    pill.hidden = false;
  }
  ask();
  setInterval(ask, 15000);
  document.addEventListener("visibilitychange", ask);
})();
