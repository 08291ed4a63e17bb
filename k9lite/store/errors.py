"""Errors of the store that are not answers to API requests."""

from __future__ import annotations

from pathlib import Path


class DirectoryLocked(Exception):
    """Another control plane serves this data directory. `pid` is its process, 0 if it did not say."""

    def __init__(self, directory: Path, pid: int) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{directory} is in use by {owner}; one control plane serves a data directory. "
            f"Stop it with `k9lite stop`, or choose another directory with --home or --data-dir"
        )
        self.directory = directory
        self.pid = pid
