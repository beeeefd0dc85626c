// Improves the hosted checkout; every page works without it.
// It asks whether something happened, swaps in the new page, counts down, and opens the payment in a new tab.
"use strict";
(() => {
  const LADDER = [1, 1, 2, 3, 5, 8, 15]; // seconds between questions; the last one repeats
  const ANSWER_WITHIN = 10000;
  const ONCE_FOR = 4000;
  let main = document.querySelector("main[data-status]");
  let step = 0;
  let timer = 0;
  let asking = false;
  let tag = "";
  let ticking = 0;
  let expectUntil = 0; // a button was pressed: there will be news although this is an end state

  // --- live status -------------------------------------------------------------------------------------------
  async function get(url, headers) {
    const abort = new AbortController();
    const alarm = setTimeout(() => abort.abort(), ANSWER_WITHIN);
    try {
      const answer = await fetch(url, { headers, cache: "no-store", credentials: "same-origin", signal: abort.signal });
      return { status: answer.status, text: answer.status === 304 ? "" : await answer.text() };
    } finally {
      clearTimeout(alarm);
    }
  }

  async function ask() {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await get(main.dataset.status, tag ? { "If-None-Match": tag } : {});
      if (answer.status === 200) {
        const news = JSON.parse(answer.text);
        if (news.version !== main.dataset.version) await swap();
        tag = `"${main.dataset.version}"`;
      } else if (answer.status !== 304) {
        throw new Error(String(answer.status));
      }
      quiet(true);
    } catch {
      quiet(false);
    }
    asking = false;
    plan();
  }

  function plan() {
    clearTimeout(timer);
    const wait = LADDER[Math.min(step, LADDER.length - 1)];
    step += 1;
    if (!main.dataset.final || Date.now() < expectUntil) timer = setTimeout(ask, wait * 1000);
  }

  function hurry() {
    if (document.hidden) return clearTimeout(timer);
    step = 0;
    ask(); // an end state is looked at again too: it may have been refunded, or tried again in another tab
  }

  function quiet(connected) {
    const note = main.querySelector("[data-offline]");
    if (note) note.hidden = connected;
  }

  async function swap() {
    const answer = await get(main.dataset.page.split("?")[0] + location.search, { Accept: "text/html" });
    if (answer.status >= 500) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(answer.text, "text/html");
    const fresh = page.querySelector("main[data-status]");
    if (!fresh) return location.reload();
    const hadFocus = main.contains(document.activeElement);
    document.title = page.title;
    main.replaceWith(document.adoptNode(fresh));
    main = fresh;
    const [help, next] = [document, page].map((one) => one.querySelector(".help summary"));
    if (help && next) help.textContent = next.textContent;
    const heading = main.querySelector("#what");
    if (hadFocus && heading) heading.focus();
    const money = main.querySelector(".money");
    const said = [heading, money].map((p) => p && p.textContent.trim()).filter(Boolean);
    say(said.map((words) => (/[.!?…]$/.test(words) ? words : words + ".")).join(" "));
    step = 0;
    dress(main);
  }

  // --- back to the seller ------------------------------------------------------------------------------------
  function countDown() {
    clearInterval(ticking);
    const box = document.querySelector("[data-countdown]");
    const link = document.querySelector("[data-go]");
    if (!box || !link) return;
    const seconds = box.querySelector("[data-seconds]");
    const bar = box.querySelector("progress");
    const stay = document.querySelector("[data-stay]");
    const done = "gone " + link.href;
    // Whoever comes back with the back button wants to see this page, not to be sent away again.
    if (remembered(done)) return void (box.hidden = true);
    let left = Number(box.dataset.countdown);
    stay.hidden = false;
    stay.addEventListener("click", () => {
      clearInterval(ticking);
      remember(done);
      box.hidden = stay.hidden = true;
      link.focus();
    });
    link.addEventListener("click", () => remember(done));
    ticking = setInterval(() => {
      if (document.hidden) return; // only the tab that is looked at leads away
      left -= 1;
      bar.value = left;
      seconds.textContent = sentence(seconds.dataset, Math.max(left, 0));
      if (left > 0) return;
      clearInterval(ticking);
      remember(done);
      location.assign(link.href);
    }, 1000);
  }

  function sentence(forms, n) {
    const rule = new Intl.PluralRules(document.documentElement.lang).select(n);
    return (forms[rule] || forms.many).replace("#n", n);
  }

  function remember(name) { try { sessionStorage.setItem(name, "1"); } catch { /* switched off: then not */ } }
  function remembered(name) { try { return sessionStorage.getItem(name); } catch { return null; } }

  // --- buttons, links, times ---------------------------------------------------------------------------------
  function dress(root) {
    for (const way of root.querySelectorAll("[data-new-tab]")) way.target = "_blank"; // this page waits here
    for (const form of root.querySelectorAll("form[data-once]")) {
      form.addEventListener("submit", once);
      if (form.querySelector("[name=processor]")) mark(form);
    }
    for (const button of root.querySelectorAll("[data-copy]")) copies(button);
    for (const button of root.querySelectorAll("[data-print]")) {
      button.hidden = false;
      button.addEventListener("click", () => window.print());
    }
    const lang = document.documentElement.lang;
    for (const time of root.querySelectorAll("time[data-local]")) {
      if (!Intl.DateTimeFormat.supportedLocalesOf(lang).length) break;
      time.textContent = new Date(time.dateTime).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
    }
    countDown();
  }

  function mark(form) { // tells the server that a processor's window can be opened on this page
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "script", value: "1" });
    form.append(field);
  }

  function copies(button) {
    if (!navigator.clipboard) return; // the number stays selectable
    const words = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = button.dataset.done;
        say(button.dataset.done);
      } catch { // the browser said no: select it, so that one more touch copies it
        getSelection().selectAllChildren(button.parentElement.querySelector("[data-number]"));
      }
      setTimeout(() => { button.textContent = words; }, ONCE_FOR);
    });
  }

  function say(words) {
    const line = document.querySelector("[data-say]");
    if (line) line.textContent = words;
  }

  function once(event) {
    const button = event.target.querySelector("button");
    if (button.getAttribute("aria-disabled")) return event.preventDefault();
    const words = button.textContent;
    button.setAttribute("aria-disabled", "true");
    button.textContent = button.dataset.busy || words;
    setTimeout(() => {
      button.removeAttribute("aria-disabled");
      button.textContent = words;
    }, ONCE_FOR);
    if (main && event.target.target === "_blank") {
      step = 0;
      expectUntil = Date.now() + 60000;
      clearTimeout(timer);
      timer = setTimeout(ask, 700);
    }
  }

  if (main) {
    document.addEventListener("payment-moved", hurry);
    tag = `"${main.dataset.version}"`;
    dress(main);
    plan();
    for (const event of ["visibilitychange", "online", "focus", "pageshow"]) {
      (event === "visibilitychange" ? document : window).addEventListener(event, (e) => {
        if (event !== "pageshow" || e.persisted) hurry();
      });
    }
  } else {
    dress(document.body); // the question before a cancel: nothing to wait for
  }
})();
