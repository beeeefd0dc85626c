"""RSA with nothing but whole numbers: keys, PEM, PKCS #1 v1.5 signatures, and PSS for signatures that must not pass.

The lab signs with this and the product verifies with a library, so that neither can be wrong alone. Never for real
keys: nothing here hides how long it takes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass

BITS = 2048
EXPONENT = 65537
RSA_OID = bytes.fromhex("06092a864886f70d0101010500")  # rsaEncryption with its NULL, inside a SEQUENCE
DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
}
SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


@dataclass(frozen=True, slots=True)
class PrivateKey:
    n: int
    e: int
    d: int

    @property
    def size(self) -> int:
        return (self.n.bit_length() + 7) // 8

    def public_text(self) -> str:
        """The DER of the SubjectPublicKeyInfo in bare base64, one line, as the back office shows it."""
        key = sequence(integer(self.n), integer(self.e))
        return base64.b64encode(sequence(sequence(RSA_OID), tagged(0x03, b"\0" + key))).decode()

    def sign(self, message: bytes, *, digest: str = "sha256") -> str:
        """PKCS #1 v1.5, in base64."""
        hashed = DIGEST_INFO[digest] + hashlib.new(digest, message, usedforsecurity=False).digest()
        padded = b"\0\1" + b"\xff" * (self.size - len(hashed) - 3) + b"\0" + hashed
        return self._raised(padded)

    def sign_pss(self, message: bytes) -> str:
        """PSS with SHA-256 and a salt of 32 bytes, in base64."""
        salt = secrets.token_bytes(32)
        hashed = hashlib.sha256(b"\0" * 8 + hashlib.sha256(message).digest() + salt).digest()
        block = b"\0" * (self.size - len(salt) - len(hashed) - 2) + b"\1" + salt
        masked = bytearray(a ^ b for a, b in zip(block, _mask(hashed, len(block)), strict=True))
        masked[0] &= 0xFF >> (8 * self.size - (self.n.bit_length() - 1))
        return self._raised(bytes(masked) + hashed + b"\xbc")

    def _raised(self, block: bytes) -> str:
        return base64.b64encode(pow(int.from_bytes(block), self.d, self.n).to_bytes(self.size)).decode()

    def pem(self) -> str:
        """PKCS #1, without the primes: enough to read it back here, and for nobody else."""
        body = base64.b64encode(sequence(*(integer(each) for each in (0, self.n, self.e, self.d)))).decode()
        lines = [body[start : start + 64] for start in range(0, len(body), 64)]
        return "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])


def new_key() -> PrivateKey:
    """Takes about a second."""
    while True:
        p, q = _prime(BITS // 2), _prime(BITS // 2)
        phi = (p - 1) * (q - 1)
        if p != q and phi % EXPONENT:
            return PrivateKey(p * q, EXPONENT, pow(EXPONENT, -1, phi))


def load(pem: str) -> PrivateKey:
    """PKCS #8 or PKCS #1, not encrypted, also with its line breaks written as backslash-n. ValueError otherwise."""
    lines = [line.strip() for line in pem.replace("\\n", "\n").splitlines() if "-----" not in line]
    try:
        parts = _read(base64.b64decode("".join(lines), validate=True))
        while len(parts) == 1:
            parts = _read(parts[0])
        if len(parts) >= 3 and parts[1][:1] == b"\x06":  # PKCS #8: version, algorithm, the key itself
            parts = _read(_read(parts[2], inside=False)[0])
        numbers = [int.from_bytes(part) for part in parts]
        key = PrivateKey(numbers[1], numbers[2], numbers[3])
    except (binascii.Error, IndexError, ValueError) as error:
        raise ValueError("not an RSA private key in PEM") from error
    if key.n.bit_length() < 1024 or pow(pow(42, key.e, key.n), key.d, key.n) != 42:
        raise ValueError("not an RSA private key in PEM")
    return key


# --- DER, as far as keys need it ---


def tagged(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x80 | ((size.bit_length() + 7) // 8)]) + _minimal(size)
    return bytes([tag]) + length + body


def sequence(*parts: bytes) -> bytes:
    return tagged(0x30, b"".join(parts))


def integer(value: int) -> bytes:
    return tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _minimal(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _read(data: bytes, *, inside: bool = True) -> list[bytes]:
    """The contents of the elements in `data`; those of its outer SEQUENCE, where it is one."""
    found, position = [], 0
    while position < len(data):
        tag, size, start = data[position], data[position + 1], position + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count]), start + count
        found.append(data[start : start + size])
        if len(found[-1]) != size:
            raise ValueError("cut short")
        position = start + size
        if inside and tag == 0x30 and position == len(data) and len(found) == 1:
            return _read(found[0], inside=False)
    return found


def _mask(seed: bytes, size: int) -> bytes:
    blocks = (hashlib.sha256(seed + count.to_bytes(4)).digest() for count in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def _prime(bits: int) -> int:
    while True:
        # The two highest bits are set, so that the product of two has all the bits it should.
        candidate = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if all(candidate % small for small in SMALL_PRIMES) and _is_probably_prime(candidate):
            return candidate


def _is_probably_prime(n: int, rounds: int = 12) -> bool:
    odd, twos = n - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for _ in range(rounds):
        x = pow(secrets.randbelow(n - 3) + 2, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True
