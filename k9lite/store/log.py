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

TRIM_STEP = 2000
"""Rows looked at in one step of trimming; about 20 ms."""


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
        self._db.execute("PRAGMA wal_autocheckpoint=4000")
        self._db.executescript(_SCHEMA)
        # Reads of history have a connection of their own: they neither wait for commits nor see half of one.
        self._history = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None,
                                        check_same_thread=False)  # fmt: skip
        self._history.execute("PRAGMA cache_size=-256")

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

    def rows_between(
        self, after: int, upto: int, resource: str | None, limit: int
    ) -> tuple[int, list[tuple[Row, bytes | None]]]:
        """The floor, and at most `limit` rows with after < rv <= upto, each with the body it superseded."""
        where = "AND new.resource = ?" if resource else ""
        self._history.execute("BEGIN")  # one snapshot for both reads
        try:
            floor = self._history.execute("SELECT value FROM meta WHERE key = 'floor'").fetchone()
            found = self._history.execute(
                f"SELECT new.*, old.body FROM log new LEFT JOIN log old ON old.rv = new.prev "
                f"WHERE new.rv > ? AND new.rv <= ? {where} ORDER BY new.rv LIMIT ?",
                (after, upto, resource, limit) if resource else (after, upto, limit),
            ).fetchall()
        finally:
            self._history.execute("ROLLBACK")
        return floor[0] if floor else 0, [(Row._make(row[:9]), row[9]) for row in found]

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

    def trim(self, older_than: float, keep_bytes: int) -> tuple[int, bool]:
        """Drop a step of what is older than `older_than` or beyond `keep_bytes`: the floor, and whether more is due.

        The latest row of a live object stays whatever its age. Steps are short, because writes wait for them.
        """
        floor, last = self.floor(), self.last_rv()
        young = self._db.execute(
            "SELECT rv FROM log WHERE rv > ? AND ts >= ? ORDER BY rv LIMIT 1", (floor, older_than)
        ).fetchone()
        wanted = last if self._size() > keep_bytes else (young[0] - 1 if young else last)
        cutoff = min(wanted, floor + TRIM_STEP)
        if cutoff <= floor:
            return floor, False
        superseded = "SELECT prev FROM log WHERE rv > ? AND rv <= ? AND prev > 0"
        gone = f"DELETE FROM log WHERE rv IN ({superseded}) OR (rv > ? AND rv <= ? AND verb = 'DELETED')"
        self._transaction(
            [(gone, [(floor, cutoff, floor, cutoff)]), ("INSERT OR REPLACE INTO meta VALUES ('floor', ?)", [(cutoff,)])]
        )
        return cutoff, cutoff < wanted

    def _size(self) -> int:
        """Bytes of the file that are in use."""
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {what}").fetchone()[0])
            for what in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _meta(self, key: str) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._history.close()
        self._db.close()
