// Runs the document's TypeScript as it stands, its types taken off, against a running server.
//
//   node run.mjs call <name> <json>     one function of the client; prints {"value"} or {"error"}
//   node run.mjs route <file> <json>    POST of a route; prints {"status", "body", "db"}
//   node run.mjs receive <file>         serves POST of a route; prints its port, then one line for each request
import { createServer } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const here = new URL(".", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "document-client-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const CLOSING = { "(": ")", "{": "}", "[": "]", "<": ">" };

/** Index of the bracket that closes the one at `start`; arrows and strings are passed over. */
function closing(text, start) {
  const open = [];
  for (let at = start; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"' || sign === "`") {
      for (at++; text[at] !== sign; at++) if (text[at] === "\\") at++;
    } else if (sign === "/" && text[at + 1] === "/") {
      at = text.indexOf("\n", at);
    } else if ("({[".includes(sign) || (sign === "<" && text[start] === "<")) open.push(CLOSING[sign]);
    else if (sign === open.at(-1) && text[at - 1] !== "=") {
      open.pop();
      if (!open.length) return at;
    }
  }
  throw new Error(`nothing closes ${text.slice(start, start + 40)}`);
}

/** `a: T, b?: { c: D }` → `a, b`. */
function bare(parameters) {
  const names = [];
  for (let at = 0; at < parameters.length; ) {
    const found = /^\s*([\w$]+)\??\s*(:|,|$)/.exec(parameters.slice(at));
    if (!found) return parameters; // a pattern or a call's arguments: nothing of a type in it
    names.push(found[1]);
    at += found[0].length;
    while (found[2] === ":" && at < parameters.length && parameters[at] !== ",") {
      at = "({[".includes(parameters[at]) ? closing(parameters, at) + 1 : at + 1;
    }
    if (parameters[at] === ",") at++;
  }
  return names.join(", ");
}

function withoutTypes(source) {
  let text = source.replace(/!;/g, ";").replace(/ as T\b/g, "");
  for (let at; (at = text.search(/(\bcall|\basync )<[{T]/)) >= 0; ) {
    const angle = text.indexOf("<", at);
    text = text.slice(0, angle) + text.slice(closing(text, angle) + 1);
  }
  for (let at = text.indexOf("("); at >= 0; at = text.indexOf("(", at + 1)) {
    const end = closing(text, at);
    const after = /^(\s*:[^=;{]*)?\s*(=>|\{)/.exec(text.slice(end + 1));
    if (!after || /\b(if|for|while|switch|catch)\s*$/.test(text.slice(0, at))) continue;
    const parameters = bare(text.slice(at + 1, end));
    text = `${text.slice(0, at)}(${parameters})${text.slice(end + 1 + (after[1] || "").length)}`;
  }
  return text;
}

async function load(name) {
  const client = join(folder, "payment-client.mjs");
  writeFileSync(client, withoutTypes(readFileSync(new URL("payment-client.ts", here), "utf8")));
  if (name === "payment-client.ts") return import(pathToFileURL(client));
  const file = join(folder, name.replace(".ts", ".mjs"));
  const text = withoutTypes(readFileSync(new URL(name, here), "utf8"));
  writeFileSync(file, text.replace('"@/lib/payment-client"', '"./payment-client.mjs"'));
  return import(pathToFileURL(file));
}

// What the document's own app has around its routes: a session, a table of orders.
const seen = [];
const given = process.argv[4] ? JSON.parse(process.argv[4]) : {};
globalThis.getSession = async () => given.session ?? null;
globalThis.toOfdItem = (line) => line;
globalThis.db = {
  order: {
    findUnique: async () => given.order,
    update: async (what) => void seen.push(what),
    updateMany: async (what) => void seen.push(what),
  },
};
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const [, , verb, name] = process.argv;
if (verb === "call") {
  const { payments } = await load("payment-client.ts");
  say(await payments[name](given).then((value) => ({ value }), (error) => ({ error: error.message })));
} else if (verb === "route") {
  const { POST } = await load(name);
  const answer = await POST(new Request("http://shop.test/", { method: "POST", body: JSON.stringify(given.body) }));
  say({ status: answer.status, body: await answer.json(), db: seen });
} else {
  const { POST } = await load(name);
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const headers = Object.entries(request.headers).map(([key, value]) => [key, String(value)]);
    const answer = await POST(new Request("http://shop.test/", { method: "POST", headers, body: Buffer.concat(parts) }));
    const text = await answer.text();
    say({ status: answer.status, text, headers: request.headers, db: seen.splice(0) });
    response.writeHead(answer.status).end(text);
  });
  server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
  process.stdin.resume().on("end", () => process.exit(0)); // whoever started us is gone
}
