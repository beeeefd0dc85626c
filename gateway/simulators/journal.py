"""What the lab remembers: tables of rows in memory and, when a file is given, a journal of every change.

The file holds one JSON array a line: `[kind, id, row]`, a row of null meaning removed. A line is handed to the
operating system before the request that caused it is answered, so a killed lab loses nothing; a torn last line is
passed over. The file is rewritten (atomically) at start, and whenever most of its lines are history.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

SLACK = 2000  # lines of history tolerated beyond twice the living rows


class Row(Protocol):
    id: str


R = TypeVar("R", bound=Row)


class Journal:
    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str], str] = {}
        self._written = 0
        self._file: Any = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._read(path)
            self._rewrite(path)

    def rows(self, kind: str) -> Iterator[dict[str, Any]]:
        for (of_kind, _), line in self._lines.items():
            if of_kind == kind:
                yield json.loads(line)[2]

    def put(self, kind: str, key: str, row: dict[str, Any] | None) -> None:
        if self._path is None:
            return
        line = json.dumps([kind, key, row], ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            if self._file is None:
                return
            if row is None:
                self._lines.pop((kind, key), None)
            else:
                self._lines[kind, key] = line
            self._file.write(line + "\n")
            self._file.flush()
            self._written += 1
            if self._written > 2 * len(self._lines) + SLACK:
                self._rewrite(self._path)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                kind, key, row = json.loads(line)
            except ValueError:
                continue
            if row is None:
                self._lines.pop((kind, key), None)
            else:
                self._lines[kind, key] = line

    def _rewrite(self, path: Path) -> None:
        if self._file is not None:
            self._file.close()
        draft = path.with_name(path.name + ".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in self._lines.values())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - held open until close()
        self._written = len(self._lines)


class Table(Generic[R]):
    """Rows of one dataclass by id, in the order they came; beyond `limit` the oldest are forgotten."""

    def __init__(self, journal: Journal, kind: str, row_type: Callable[..., R], limit: int | None = None) -> None:
        self._journal = journal
        self._kind = kind
        self._limit = limit
        self._lock = threading.Lock()
        self._rows: dict[str, R] = {}
        known = {f.name for f in fields(row_type)}  # type: ignore[arg-type]
        for stored in journal.rows(kind):
            row = row_type(**{name: value for name, value in stored.items() if name in known})
            self._rows[row.id] = row

    def save(self, row: R) -> R:
        with self._lock:
            self._rows[row.id] = row
            self._journal.put(self._kind, row.id, asdict(row))  # type: ignore[call-overload]
            while self._limit is not None and len(self._rows) > self._limit:
                self._remove(next(iter(self._rows)))
        return row

    def get(self, key: str) -> R | None:
        return self._rows.get(key)

    def all(self) -> list[R]:
        """Oldest first."""
        with self._lock:
            return list(self._rows.values())

    def newest(self) -> list[R]:
        return self.all()[::-1]

    def remove(self, key: str) -> None:
        with self._lock:
            if key in self._rows:
                self._remove(key)

    def clear(self) -> None:
        with self._lock:
            for key in list(self._rows):
                self._remove(key)

    def _remove(self, key: str) -> None:
        del self._rows[key]
        self._journal.put(self._kind, key, None)
