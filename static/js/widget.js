// Opens a processor's own window on our page. Without this script, or where theirs does not load, the form or the
// link that is on the page leads the buyer to the processor instead.
"use strict";
(() => {
  const LOAD_WITHIN = 8000;
  const loaded = new Map();

  const OPEN = {
    razorpay(options) {
      new window.Razorpay(options).open();
    },
    begateway(options) {
      // What its window says when it closes proves nothing: our page asks our server.
      const closeWidget = () => document.dispatchEvent(new Event("payment-moved"));
      new window.BeGateway({ ...options, closeWidget }).createWidget();
    },
  };

  function load(address) {
    if (!loaded.has(address)) {
      loaded.set(address, new Promise((done, failed) => {
        const script = document.createElement("script");
        const alarm = setTimeout(failed, LOAD_WITHIN);
        script.src = address;
        script.onload = () => { clearTimeout(alarm); done(); };
        script.onerror = () => { clearTimeout(alarm); loaded.delete(address); script.remove(); failed(); };
        document.head.append(script);
      }));
    }
    return loaded.get(address);
  }

  async function open(box) {
    const facts = JSON.parse(box.dataset.widget);
    const button = box.querySelector("button, a");
    button.setAttribute("aria-busy", "true");
    try {
      await load(facts.script);
      OPEN[facts.kind](facts.options);
    } catch {
      leave(box); // their script is blocked or slow: their page is still there
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  function leave(box) {
    const form = box.querySelector("form");
    if (form) HTMLFormElement.prototype.submit.call(form);
    else location.assign(box.querySelector("a").href);
  }

  document.addEventListener("submit", (event) => {
    const box = event.target.closest("[data-widget]");
    if (!box) return;
    event.preventDefault();
    open(box);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-widget] a");
    if (!link || event.button || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    open(link.closest("[data-widget]"));
  });

  // Straight after the Pay button; a reload or the back button does not open it again.
  const box = document.querySelector("[data-widget]");
  const here = new URL(location.href);
  if (box && here.searchParams.has("open")) {
    here.searchParams.delete("open");
    history.replaceState(null, "", here);
    open(box);
  }
})();
