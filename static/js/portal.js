// Small comforts. Every page works without them.
"use strict";

// A form goes out once: a second click waits for the first answer. Coming back to the page opens it again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once]")) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-once]")) {
    delete form.dataset.sent;
    form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
  }
});

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.querySelector(button.dataset.copy);
  if (!source) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = button.dataset.done;
    } catch {
      // No clipboard here (plain http, an old browser): select it, so that Ctrl+C copies.
      getSelection().selectAllChildren(source);
      button.textContent = button.dataset.selected;
    }
    setTimeout(() => (button.textContent = before), 2500);
  });
}

// A page that waits for something looks again by itself, but not under somebody who reads elsewhere or selects.
const waiting = document.querySelector("[data-reload-seconds]");
if (waiting) {
  setInterval(() => {
    if (!document.hidden && getSelection().isCollapsed) location.reload();
  }, waiting.dataset.reloadSeconds * 1000);
}

// On a phone the menu is wider than the page: the present line comes into sight.
const here = document.querySelector(".menu [aria-current]");
if (here) here.closest(".menu").scrollLeft = here.offsetLeft - 24;

// One open menu at a time; Escape and a click elsewhere close it.
const drops = [...document.querySelectorAll("details.drop")];
document.addEventListener("click", (event) => {
  for (const drop of drops) if (!drop.contains(event.target)) drop.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const drop of drops.filter((found) => found.open)) {
    drop.open = false;
    drop.querySelector("summary").focus();
  }
});
