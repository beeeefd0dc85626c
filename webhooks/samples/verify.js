const crypto = require("node:crypto");

// rawBody: a Buffer as it came in, before any parsing (Express: express.raw({ type: "application/json" }))
// headers: an object with lower-case names (Express: req.headers)
function isGenuine(rawBody, headers, secret) {
  const expected = "sha256=" + crypto.createHmac("sha256", secret).update(rawBody).digest("hex");
  return isSame(expected, headers["x-payment-signature"]);
}

// Covers the time too: an old request cannot be played back to you.
function isGenuineAndRecent(rawBody, headers, secret) {
  const timestamp = headers["webhook-timestamp"] || "";
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = crypto
    .createHmac("sha256", key)
    .update(`${headers["webhook-id"]}.${timestamp}.`)
    .update(rawBody)
    .digest("base64");
  // Two of them while a secret is rotated: one that fits is enough.
  return (headers["webhook-signature"] || "").split(" ").some((one) => isSame("v1," + expected, one));
}

function isSame(expected, given) {
  const a = Buffer.from(expected);
  const b = Buffer.from(given || "");
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}
