<?php
// $rawBody as it came in, before any parsing: file_get_contents('php://input')
// $headers with lower-case names: array_change_key_case(getallheaders())
function is_genuine(string $rawBody, array $headers, string $secret): bool
{
    $expected = 'sha256=' . hash_hmac('sha256', $rawBody, $secret);
    return hash_equals($expected, $headers['x-payment-signature'] ?? '');
}

// Covers the time too: an old request cannot be played back to you.
function is_genuine_and_recent(string $rawBody, array $headers, string $secret): bool
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    if (!preg_match('/^\d{1,12}\z/', $timestamp) || abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $hash = hash_hmac('sha256', "$id.$timestamp.$rawBody", $key, true);
    $expected = 'v1,' . base64_encode($hash);
    // Two of them while a secret is rotated: one that fits is enough.
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $one) {
        if (hash_equals($expected, $one)) {
            return true;
        }
    }
    return false;
}
