"""What is on disk of each host process: one directory per container, the truth over restarts of the control plane.

pods/<pod uid>.<container>.<attempt>/
    spec.json   the ContainerSpec and the host ports it was given (0600: it holds the environment)
    run, exit   written by the shim
    log         written by the process
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import orjson

from k9lite.engines.base import ContainerSpec, Port

_GONE = ".gone"


def identity(spec: ContainerSpec) -> str:
    """The container's id."""
    return f"{spec.pod_uid}.{spec.name}.{spec.attempt}"


def write(directory: Path, spec: ContainerSpec, host_ports: dict[int, int]) -> None:
    """Make the directory with its spec. Raises OSError, FileExistsError if it is there."""
    directory.mkdir(mode=0o700, parents=True)
    content = {"spec": asdict(spec), "host_ports": {str(key): value for key, value in host_ports.items()}}
    with open(os.open(directory / "spec.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(content))


def read(directory: Path) -> tuple[ContainerSpec, dict[int, int]] | None:
    """The spec and host ports; None where making it was cut short."""
    try:
        content = orjson.loads((directory / "spec.json").read_bytes())
        raw = content["spec"]
        raw["command"], raw["args"] = tuple(raw["command"]), tuple(raw["args"])
        raw["ports"] = tuple(Port(**port) for port in raw["ports"])
        return ContainerSpec(**raw), {int(key): int(value) for key, value in content["host_ports"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def directories(root: Path) -> Iterator[Path]:
    """Every container's directory; what an interrupted removal has left is removed on the way."""
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(root.iterdir()):
            if entry.name.endswith(_GONE):
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_dir():
                yield entry


def discard_unstarted(directory: Path) -> bool:
    """Remove a container that was never started; False if its shim has just come to life after all.

    The directory is renamed first: a shim that finds it gone does not run its command.
    """
    aside = directory.with_name(directory.name + _GONE)
    directory.rename(aside)
    if (aside / "run").exists():
        aside.rename(directory)
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def changed_at(path: Path) -> float:
    """When a file was last written, now if it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
