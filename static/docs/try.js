// Sends the calls of the API page and shows what came back. The key lives in its input and nowhere else.
"use strict";

const keyInput = document.getElementById("key");
const showKey = document.getElementById("show-key");
const TOLD = ["X-Request-Id", "Idempotent-Replayed", "Retry-After"];
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

showKey.addEventListener("change", () => {
  keyInput.type = showKey.checked ? "text" : "password";
  document.querySelectorAll("form.try").forEach(writeCurl);
});
keyInput.addEventListener("input", () => document.querySelectorAll("form.try").forEach(writeCurl));
document.getElementById("key-form").addEventListener("submit", (event) => event.preventDefault());

// Numbers, switches, objects and lists go out as they are typed, where that makes sense; all else as text.
function isWritten(kind, value) {
  if (kind === "number" || kind === "integer") return NUMBER.test(value);
  if (kind !== "boolean" && kind !== "object" && kind !== "array") return false;
  try { return typeof JSON.parse(value) === (kind === "boolean" ? "boolean" : "object"); } catch { return false; }
}

// The body is written by hand: a number goes out as it was typed, not as the nearest float.
function jsonOf(fields) {
  const members = fields.map(({ name, kind, value }) => {
    return `${JSON.stringify(name)}: ${isWritten(kind, value) ? value.trim() : JSON.stringify(value)}`;
  });
  return `{${members.join(", ")}}`;
}

function callOf(form, key, hides = false) {
  const headers = [];
  const query = new URLSearchParams();
  const body = [];
  let path = form.dataset.path;
  if (key && form.dataset.keyIn === "body") body.push({ name: "apiKey", kind: "string", value: key });
  else if (key && form.dataset.keyIn !== "none") headers.push(["x-api-key", key]);
  for (const input of form.querySelectorAll("[data-in]")) {
    const { value, name } = input;
    const { in: place, kind } = input.dataset;
    if (place === "path") path = path.replace(`{${name}}`, value ? encodeURIComponent(value) : `{${name}}`);
    else if (value === "") continue;
    else if (place === "query") query.set(name, value);
    else if (place === "header") headers.push([name, value]);
    else body.push({ name, kind, value: hides && name === "merchant_secret" ? "$MERCHANT_SECRET" : value });
  }
  const hasBody = form.dataset.method === "POST";
  if (hasBody) headers.push(["Content-Type", "application/json"]);
  const search = query.toString();
  return { method: form.dataset.method, url: location.origin + path + (search && `?${search}`), headers, body: hasBody ? jsonOf(body) : null };
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function writeCurl(form) {
  const hidden = keyInput.value && !showKey.checked ? "$PROVIDER_API_KEY" : keyInput.value || "$PROVIDER_API_KEY";
  const call = callOf(form, form.dataset.keyIn === "body" && !keyInput.value ? "" : hidden, !showKey.checked);
  const inShell = (text) => (/\$(PROVIDER_API_KEY|MERCHANT_SECRET)/.test(text) ? `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("`", "\\`").replaceAll(/\$(?!PROVIDER_API_KEY|MERCHANT_SECRET)/g, "\\$")}"` : quoted(text));
  const lines = [`curl -i${call.method === "GET" ? "" : ` -X ${call.method}`} ${quoted(call.url)}`];
  for (const [name, value] of call.headers) lines.push(`  -H ${inShell(`${name}: ${value}`)}`);
  if (call.body !== null) lines.push(`  -d ${inShell(call.body)}`);
  form.querySelector("[data-curl]").textContent = lines.join(" \\\n");
}

async function send(form) {
  const button = form.querySelector("button[type=submit]");
  const box = form.querySelector("[data-answer]");
  const put = (name, text) => (form.querySelector(`[data-${name}]`).textContent = text);
  const call = callOf(form, keyInput.value.trim());
  button.setAttribute("aria-busy", "true");
  const started = performance.now();
  try {
    const answer = await fetch(call.url, { method: call.method, headers: call.headers, body: call.body, credentials: "omit", redirect: "manual" });
    const text = await answer.text();
    let parsed = null;
    try { parsed = JSON.parse(text); } catch { /* shown as it is */ }
    box.classList.toggle("answer--ok", answer.ok);
    box.classList.toggle("answer--bad", !answer.ok);
    put("status", `${answer.status} ${answer.ok ? "✓" : "✗"} ${wordsOf(parsed) || answer.statusText}`);
    put("headers", TOLD.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`).join(" · "));
    put("body", text);
    if (parsed !== null) put("body", pretty(text));
    offer(form, parsed);
    const made = (parsed && parsed.data) || parsed || {};
    if (made.orderId) fill("orderId", made.orderId);
    if (made.payment_id && !made.error) fill("payment_id", made.payment_id);
    if (made.sourceInvoiceId) fill("invoiceId", made.id);
  } catch (error) {
    box.classList.remove("answer--ok");
    box.classList.add("answer--bad");
    put("status", "No answer");
    put("headers", "The server could not be reached. Is it running?");
    put("body", String(error));
    offer(form, null);
  }
  put("time", `${Math.round(performance.now() - started)} ms`);
  box.hidden = false;
  button.removeAttribute("aria-busy");
}

// What a refusal says, in either dialect's shape.
function wordsOf(parsed) {
  if (!parsed || parsed.status === true) return "";
  return parsed.error || (parsed.data && parsed.data.details ? `${parsed.message}: ${parsed.data.details.join("; ")}` : "");
}

// Line breaks are put between the tokens of the text itself, so that every number stays as it was sent.
function pretty(text) {
  let depth = 0;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g, (token) => {
    if (token === "{" || token === "[") return `${token}\n${"  ".repeat((depth += 1))}`;
    if (token === "}" || token === "]") return `\n${"  ".repeat((depth -= 1))}${token}`;
    if (token === ",") return `,\n${"  ".repeat(depth)}`;
    return token === ":" ? ": " : token;
  }).replace(/([{[])\s+([}\]])/g, "$1$2");
}

function offer(form, parsed) {
  const line = form.querySelector("[data-link]");
  const link = form.querySelector("[data-link-to]");
  const told = ((parsed && parsed.data) || parsed || {}).checkoutUrl;
  const url = typeof told === "string" && /^https?:\/\//.test(told) ? told : "";
  line.hidden = !url;
  if (url) link.href = url;
}

// What was made last is what one wants to read, cancel or refund next.
function fill(name, id) {
  for (const input of document.querySelectorAll(`form.try input[name="${name}"]`)) {
    input.value = id;
    writeCurl(input.form);
  }
}

for (const form of document.querySelectorAll("form.try")) {
  const copy = form.querySelector("[data-copy]");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(form.querySelector("[data-curl]").textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  form.addEventListener("input", () => writeCurl(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  writeCurl(form);
}
