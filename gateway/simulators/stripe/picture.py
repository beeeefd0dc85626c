"""A picture that looks like a QR code and says nothing: a shop can show it, no phone can follow it out of the lab."""

from __future__ import annotations

import hashlib
import struct
import zlib

SIZE = 29
QUIET = 2


def _modules(seed: str) -> list[list[bool]]:
    stream = b"".join(hashlib.sha256(f"{seed}/{part}".encode()).digest() for part in range(4))
    grid = [[bool(stream[(y * SIZE + x) // 8] >> ((y * SIZE + x) % 8) & 1) for x in range(SIZE)] for y in range(SIZE)]
    for top, left in ((0, 0), (0, SIZE - 7), (SIZE - 7, 0)):
        for y in range(-1, 8):
            for x in range(-1, 8):
                if 0 <= top + y < SIZE and 0 <= left + x < SIZE:
                    ring = max(abs(y - 3), abs(x - 3))
                    grid[top + y][left + x] = ring in {0, 1, 3}
    return grid


def svg(seed: str) -> bytes:
    squares = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z"
        for y, row in enumerate(_modules(seed))
        for x, dark in enumerate(row)
        if dark
    )
    edge = SIZE + 2 * QUIET
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {edge} {edge}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{edge}v{edge}H0z"/><path d="{squares}"/></svg>'
    ).encode()


def png(seed: str, scale: int = 8) -> bytes:
    blank = [False] * (SIZE + 2 * QUIET)
    rows = [blank] * QUIET + [[False] * QUIET + row + [False] * QUIET for row in _modules(seed)] + [blank] * QUIET
    edge = len(rows) * scale
    lines = b"".join((b"\0" + b"".join((b"\0" if dark else b"\xff") * scale for dark in row)) * scale for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
