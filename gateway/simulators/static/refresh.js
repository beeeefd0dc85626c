// Looks for news every few seconds and swaps the page's main part, unless somebody is reading or typing in it.
(() => {
  const seconds = Number(document.currentScript.dataset.seconds) || 3;
  const busy = () =>
    document.hidden || document.querySelector("li details[open]") || document.querySelector("input:focus, select:focus")
    || String(getSelection()).length > 0;
  setInterval(async () => {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = document.querySelector("main");
      if (answer.ok && !busy() && now.innerHTML !== next.querySelector("main").innerHTML) {
        const held = document.activeElement;
        if (held && now.contains(held) && held !== document.body) return;
        for (const open of now.querySelectorAll("details[open][id]"))
          next.getElementById(open.id)?.setAttribute("open", "");
        now.replaceWith(next.querySelector("main"));
        document.title = next.title;
      }
    } catch { /* the lab is restarting; try again next time */ }
  }, seconds * 1000);
})();
