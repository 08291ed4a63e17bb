"""How long to wait before something is tried again, as the kubelet does it: 10 s, doubled up to 5 minutes.

The first repetition is at once; each one after that waits. An entry that was left alone for twice the longest wait is
forgotten. Source: k8s.io/client-go/util/flowcontrol/backoff.go.
"""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_SECONDS = 10.0
MAX_SECONDS = 300.0


@dataclass(slots=True)
class _Entry:
    wait: float
    updated: float


class Backoff:
    """Waits by key. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, since: float, now: float) -> float:
        """Seconds that are left to wait after what happened at `since`."""
        entry = self._entries.get(key)
        if entry is None or _expired(entry, since):
            return 0.0
        return max(0.0, entry.wait - (now - since))

    def wait_of(self, key: str) -> float:
        """The present wait in seconds, for messages."""
        entry = self._entries.get(key)
        return entry.wait if entry else 0.0

    def next(self, key: str, since: float, now: float) -> None:
        """It is being tried again, after what happened at `since`: the next wait is longer."""
        entry = self._entries.get(key)
        if entry is None or _expired(entry, since):
            self._entries[key] = _Entry(INITIAL_SECONDS, now)
        else:
            entry.wait = min(entry.wait * 2, MAX_SECONDS)
            entry.updated = now


def _expired(entry: _Entry, since: float) -> bool:
    return since - entry.updated > 2 * MAX_SECONDS


def as_go(seconds: float) -> str:
    """A wait as Go prints durations: `10s`, `1m20s`, `5m0s`."""
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60}s" if whole >= 60 else f"{whole}s"
