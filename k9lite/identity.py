"""What makes a cluster this cluster: its id, its default engine and its API port, kept in `cluster.json`."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from k9lite.clock import Clock, rfc3339
from k9lite.settings import Settings, SettingsError


@dataclass(slots=True)
class Cluster:
    """`id` marks containers, networks and processes as ours; `engine` never changes silently once chosen."""

    id: str
    engine: str
    created_at: str
    api_port: int = 0
    path: Path = field(default=Path(), repr=False)

    def save(self) -> None:
        content = asdict(self)
        content.pop("path")
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.path)

    def remember_port(self, port: int) -> None:
        """Clients keep working over a restart when the port stays the same."""
        if port != self.api_port:
            self.api_port = port
            self.save()


def load_cluster(settings: Settings, clock: Clock) -> Cluster:
    """The cluster of the data directory, made at the first start.

    Raises SettingsError when the file is broken, or when another engine is asked for than the cluster has.
    """
    path = settings.data / "cluster.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cluster = Cluster(
            content["id"], content["engine"], content["created_at"], int(content.get("api_port", 0)), path
        )
    except FileNotFoundError:
        cluster = Cluster(secrets.token_hex(5), settings.engine or _detect_engine(), rfc3339(clock.time()), path=path)
        cluster.save()
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError([f"{path} is damaged ({error}); restore it, or run `k9lite reset`"]) from error
    if settings.engine and settings.engine != cluster.engine:
        raise SettingsError(
            [
                f"this cluster's default engine is {cluster.engine}, not {settings.engine}. Single pods may "
                f"choose with spec.runtimeClassName; another default needs another cluster (--home) or `k9lite reset`"
            ]
        )
    return cluster


def _detect_engine() -> str:
    from k9lite.engines.detect import docker_socket

    return "docker" if docker_socket() is not None else "process"
