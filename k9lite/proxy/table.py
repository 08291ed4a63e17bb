"""What is balanced to where: the table as it is sent, and as a worker holds it.

A table is plain JSON: {key: listener}, where key is `namespace/service:port`.

    {"nodePort": 30080, "addresses": ["0.0.0.0"], "affinity": 0,
     "endpoints": [["127.0.0.1", 34567, "pod name", "pod uid"], ...]}

`affinity` is the seconds for which a client stays with its endpoint, 0 for none. Endpoints are the ready ones only.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from k9lite.proxy.flow import Flow

CURSORS = 4096
"""Slots of the memory that workers share; two services rarely meet in one, and then only their turns mix."""
MAX_CLIENTS = 65536
"""Clients remembered per service with session affinity; the one seen longest ago goes first."""


class Listener(TypedDict):
    """One service port as it is sent."""

    nodePort: int
    addresses: list[str]
    affinity: int
    endpoints: list[list[Any]]


Table = dict[str, Listener]
EndpointId = tuple[str, int, str]
"""(host, port, pod uid): a new pod on an old address is another endpoint."""


def endpoint_id(endpoint: list[Any]) -> EndpointId:
    return endpoint[0], endpoint[1], endpoint[3]


def checked(table: Any) -> Table:
    """The same table if it is one; ValueError otherwise. For what was read from a file."""
    try:
        for key, listener in table.items():
            for host, port, name, uid in listener["endpoints"]:
                if not (key + host + name + uid and 0 < port < 65536):
                    raise ValueError(f"{host}:{port} is not an endpoint")
            if not (0 < listener["nodePort"] < 65536 and listener["affinity"] >= 0):
                raise ValueError(f"{key} has no port")
            "".join(listener["addresses"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a table: {error!r}") from None
    valid: Table = table
    return valid


class Endpoint:
    """One address of one service, with what this worker has seen of it."""

    __slots__ = ("active", "connections", "failures", "flows", "host", "name", "port", "received", "sent", "uid")

    def __init__(self, host: str, port: int, name: str, uid: str) -> None:
        self.host = host
        self.port = port
        self.name = name
        self.uid = uid
        self.flows: set[Flow] = set()
        self.active = 0
        self.connections = 0
        self.failures = 0
        self.received = 0  # bytes from clients
        self.sent = 0  # bytes to clients

    def counters(self) -> list[Any]:
        """[pod name, connections, active, bytes in, bytes out, connect failures]."""
        for flow in self.flows:
            flow.count()
        return [self.name, self.connections, self.active, self.received, self.sent, self.failures]


class Service:
    """The endpoints of one listener and the choice among them."""

    def __init__(self, key: str, cursors: memoryview) -> None:
        self.key = key
        self.affinity = 0
        self._cursors = cursors
        self._slot = zlib.crc32(key.encode()) % CURSORS
        self._ready: list[Endpoint] = []
        self._draining: dict[EndpointId, float] = {}
        self._clients: OrderedDict[str, tuple[Endpoint, float]] = OrderedDict()
        self.endpoints: dict[EndpointId, Endpoint] = {}

    def update(self, listener: Listener, now: float) -> None:
        """Take over the endpoints. Those that left keep their open flows; those that drain stay excluded."""
        self.affinity = listener["affinity"]
        wanted = {endpoint_id(endpoint): endpoint for endpoint in listener["endpoints"]}
        self._draining = {one: end for one, end in self._draining.items() if one in wanted and end > now}
        for one, endpoint in wanted.items():
            if one not in self.endpoints:
                self.endpoints[one] = Endpoint(*endpoint)
        for one in [one for one, endpoint in self.endpoints.items() if one not in wanted and not endpoint.flows]:
            del self.endpoints[one]
        self._ready = [self.endpoints[one] for one in sorted(wanted) if one not in self._draining]

    def exclude(self, addresses: Collection[tuple[str, int]], until: float) -> list[Endpoint]:
        """No new connection to these addresses from now on; returns their endpoints."""
        found = []
        for one, endpoint in self.endpoints.items():
            if one[:2] in addresses:
                self._draining[one] = until
                found.append(endpoint)
        self._ready = [endpoint for endpoint in self._ready if endpoint not in found]
        return found

    def pick(self, client: str, tried: Collection[Endpoint], now: float) -> Endpoint | None:
        """The endpoint with the fewest connections that was not tried yet, in turn among equals."""
        if not self.affinity:
            return self._least(tried)
        known = self._clients.pop(client, None)
        if known is not None and known[1] > now and known[0] in self._ready and known[0] not in tried:
            endpoint: Endpoint | None = known[0]
        else:
            endpoint = self._of_client(client, tried)
        if endpoint is not None:
            self._clients[client] = (endpoint, now + self.affinity)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        return endpoint

    def _least(self, tried: Collection[Endpoint]) -> Endpoint | None:
        ready, count = self._ready, len(self._ready)
        if not count:
            return None
        start = self._cursors[self._slot] % count
        best, best_at = None, 0
        for step in range(count):
            at = (start + step) % count
            endpoint = ready[at]
            if endpoint in tried or (best is not None and endpoint.active >= best.active):
                continue
            best, best_at = endpoint, at
            if not endpoint.active:
                break
        if best is not None:
            self._cursors[self._slot] = best_at + 1
        return best

    def _of_client(self, client: str, tried: Collection[Endpoint]) -> Endpoint | None:
        """By rendezvous hashing, so that all workers choose the same without asking each other."""
        untried = [endpoint for endpoint in self._ready if endpoint not in tried]
        if not untried:
            return None
        return max(untried, key=lambda one: zlib.crc32(f"{client} {one.host} {one.port} {one.uid}".encode()))

    def counters(self) -> dict[str, list[Any]]:
        """Counters by `host:port`. An endpoint that left and holds nothing any more is told a last time."""
        told = {f"{endpoint.host}:{endpoint.port}": endpoint.counters() for endpoint in self.endpoints.values()}
        return told
