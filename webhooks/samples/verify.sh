# The raw body, to the byte, in body.json (not copied out of a viewer: a line end more is another body).
# SECRET, ID and TIMESTAMP: your signing secret, the headers webhook-id and webhook-timestamp.

# X-Payment-Signature should be:
printf 'sha256=%s\n' "$(openssl dgst -sha256 -hmac "$SECRET" -r < body.json | cut -d' ' -f1)"

# webhook-signature should have among its values:
KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
{ printf '%s.%s.' "$ID" "$TIMESTAMP"; cat body.json; } |
  openssl dgst -sha256 -mac HMAC -macopt hexkey:"$KEY" -binary | openssl base64 -A | sed 's/^/v1,/'
echo

# And the same request once more, to your own address:
curl -i "${YOUR_URL:-http://localhost:3000/webhook}" -H 'Content-Type: application/json' \
  -H "X-Payment-Signature: $SIGNATURE" -H "webhook-id: $ID" -H "webhook-timestamp: $TIMESTAMP" \
  -H "webhook-signature: $STANDARD_SIGNATURE" --data-binary @body.json
