"""Reading what the Docker SDK answers."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker


def image_id(client: docker.APIClient, image: str) -> str:
    found: dict[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]
    return str(found["Id"])


def is_local(client: docker.APIClient) -> bool:
    """Whether the engine's bridge networks are this host's: the same kernel, and not Docker Desktop's machine."""
    about = client.info()
    return (
        "Docker Desktop" not in str(about.get("OperatingSystem")) and about.get("KernelVersion") == os.uname().release
    )


def published(ports: dict[str, Any]) -> dict[int, int]:
    return {int(key.partition("/")[0]): int(bindings[0]["HostPort"]) for key, bindings in ports.items() if bindings}


def seconds(text: str | None) -> float:
    """Docker's RFC 3339 with nanoseconds as seconds since the epoch; 0 for its zero time."""
    if not text or text.startswith("0001-"):
        return 0.0
    whole, _, rest = text.rstrip("Z").partition(".")
    fraction = rest[:6].ljust(6, "0")
    if "+" in rest or "-" in rest:  # Podman gives an offset
        return datetime.fromisoformat(text).timestamp()
    return datetime.fromisoformat(f"{whole}.{fraction}+00:00").timestamp()


def words(error: Any) -> str:
    return str(error.explanation or error)


def pull_message(image: str, why: str) -> str:
    return f'failed to pull image "{image}": {why}'
