"""Where a pod's port is really reached.

A pod with a routable IP is reached at `status.podIP:containerPort`. A pod that runs as host processes shares 127.0.0.1
with every other one, so each of its containerPorts has a host port of its own, recorded as JSON by containerPort:

    pod annotation      k9lite.io/ports       {"80": 34567}
    slice annotation    k9lite.io/host-ports  {"<pod uid>": {"80": 34567}}

A port that is recorded in neither is itself the port to connect to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from k9lite.api.objects import Obj, annotations_of, dig

PORTS_ANNOTATION = "k9lite.io/ports"
HOST_PORTS_ANNOTATION = "k9lite.io/host-ports"


@lru_cache(maxsize=1024)
def _parsed(text: str) -> dict[str, Any]:
    """The annotation's mapping; empty if someone broke it. Cached: a slice is asked once per endpoint."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _mapped(ports: Any, port: int) -> int:
    host_port = ports.get(str(port)) if isinstance(ports, dict) else None
    return host_port if isinstance(host_port, int) else port


def pod_ports(pod: Obj) -> dict[str, Any]:
    """{containerPort as text: host port} of a pod that runs as host processes, else empty. Read-only."""
    text = annotations_of(pod).get(PORTS_ANNOTATION)
    return _parsed(text) if text else {}


def pod_address(pod: Obj, container_port: int) -> tuple[str, int]:
    """(host, port) at which that containerPort of the pod is reached; host is "" while the pod has no IP."""
    return str(dig(pod, "status", "podIP", default="")), _mapped(pod_ports(pod), container_port)


def backend_address(endpoint_slice: Obj, endpoint: Obj, port: int) -> tuple[str, int]:
    """(host, port) of one endpoint for the number of one of its slice's ports; host is "" without an address."""
    addresses = endpoint.get("addresses") or [""]
    text = annotations_of(endpoint_slice).get(HOST_PORTS_ANNOTATION)
    if not text:
        return str(addresses[0]), port
    return str(addresses[0]), _mapped(_parsed(text).get(dig(endpoint, "targetRef", "uid", default="")), port)
