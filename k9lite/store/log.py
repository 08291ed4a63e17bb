"""The log on disk: one SQLite table that only grows at its end, and is trimmed at its beginning.

`log.rv` is the resourceVersion. `prev` is the rv of the row that a row supersedes, so that every event's old object
can be read back. The latest row of a live object is never trimmed; `head` lists those rows as of `head_rv`, so that
a start reads the live objects and the rows after them, not the whole history. Blocking: called in one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    rv INTEGER PRIMARY KEY, ts REAL NOT NULL, verb TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, uid TEXT NOT NULL, prev INTEGER, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (rv INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class Row(NamedTuple):
    """One change. `prev` is 0 for a new object."""

    rv: int
    ts: float
    verb: str
    resource: str
    namespace: str
    name: str
    uid: str
    prev: int
    body: bytes


class Log:
    """The database file. Raises sqlite3.Error; a failed call leaves the file as it was."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA wal_autocheckpoint=2000")
        self._db.executescript(_SCHEMA)

    def append(self, rows: Iterable[Row]) -> None:
        """Write all rows and sync them to disk, or none of them."""
        self._transaction([("INSERT INTO log VALUES (?,?,?,?,?,?,?,?,?)", rows)])

    def _transaction(self, steps: list[tuple[str, Iterable[tuple[object, ...]]]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement, parameters in steps:
                self._db.executemany(statement, parameters)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def live_rows(self) -> Iterator[Row]:
        """The latest rows as of the last `set_head`, then every later row in order."""
        yield from map(Row._make, self._db.execute("SELECT log.* FROM head JOIN log USING (rv) ORDER BY rv"))
        yield from map(
            Row._make, self._db.execute("SELECT * FROM log WHERE rv > ? ORDER BY rv", (self._meta("head_rv"),))
        )

    def rows_between(self, after: int, upto: int, resource: str | None, limit: int) -> list[tuple[Row, bytes | None]]:
        """At most `limit` rows with after < rv <= upto, each with the body it superseded."""
        where = "AND new.resource = ?" if resource else ""
        found = self._db.execute(
            f"SELECT new.*, old.body FROM log new LEFT JOIN log old ON old.rv = new.prev "
            f"WHERE new.rv > ? AND new.rv <= ? {where} ORDER BY new.rv LIMIT ?",
            (after, upto, resource, limit) if resource else (after, upto, limit),
        )
        return [(Row._make(row[:9]), row[9]) for row in found]

    def floor(self) -> int:
        """Rows up to this rv may have been trimmed: a watch can resume from it, not from before it."""
        return self._meta("floor")

    def last_rv(self) -> int:
        """The highest rv ever given."""
        row = self._db.execute("SELECT max(rv) FROM log").fetchone()
        return max(row[0] or 0, self._meta("floor"), self._meta("head_rv"))

    def set_head(self, rvs: list[int], upto: int) -> None:
        """Remember which rows are the live objects' latest as of `upto`."""
        self._transaction(
            [("DELETE FROM head WHERE ?", [(1,)]), ("INSERT INTO head VALUES (?)", [(rv,) for rv in rvs]),
             ("INSERT OR REPLACE INTO meta VALUES ('head_rv', ?)", [(upto,)])]
        )  # fmt: skip

    def trim(self, older_than: float, keep_bytes: int) -> int:
        """Drop superseded rows from before `older_than`, and more to come down to `keep_bytes`; returns the floor."""
        cutoff = self._db.execute("SELECT max(rv) FROM log WHERE ts < ?", (older_than,)).fetchone()[0] or 0
        size = self._db.execute("SELECT sum(length(body)) FROM log").fetchone()[0] or 0
        if size > keep_bytes:
            for rv, length in self._db.execute("SELECT rv, length(body) FROM log ORDER BY rv"):
                if size <= keep_bytes * 0.9:
                    break
                size, cutoff = size - length, max(cutoff, rv)
        cutoff = max(min(cutoff, self._meta("head_rv")), self.floor())
        superseded = "SELECT prev FROM log WHERE rv <= ? AND prev > 0"
        self._transaction(
            [(f"DELETE FROM log WHERE rv <= ? AND (verb = 'DELETED' OR rv IN ({superseded}))", [(cutoff, cutoff)]),
             ("INSERT OR REPLACE INTO meta VALUES ('floor', ?)", [(cutoff,)])]
        )  # fmt: skip
        return cutoff

    def _meta(self, key: str) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._db.close()
