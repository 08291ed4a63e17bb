"""What the node asks of an engine: the Engine protocol, shaped like the kubelet's CRI.

Engine state is an untrusted cache: containers carry our identity (cluster, pod uid, container, attempt), are listed
again at every start and every minute, and are adopted by it. An engine never restarts a container by itself.

A container moves created -> running -> exited; `unknown` is what the engine cannot tell.

    EngineError
    ├── EngineUnavailable     the engine does not answer: the node is NotReady until it does
    ├── ImageError            reason ErrImagePull, ErrImageNeverPull, InvalidImageName
    ├── CreateError           reason CreateContainerError, CreateContainerConfigError, RunContainerError
    └── NoSuchContainer       removed behind our back
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from k9lite.api.podspec import split_image
from k9lite.api.sessions import Command, Session

BUILT_IN = "built-in://"
"""Ids of images that came with the engine begin with it: there is nothing to pull, whatever the policy."""
WHOAMI, HOST = "k9lite/whoami", "host"
"""The images that the process engine has built in; no registry has them."""


def built_in_id(image: str) -> str | None:
    """The id of an image that is built in, else None."""
    repository, _ = split_image(image)
    return f"{BUILT_IN}{repository}" if repository in (HOST, WHOAMI) else None


class EngineError(Exception):
    """Any failure of an engine; `str(error)` is for people."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or type(self).__name__


class EngineUnavailable(EngineError):
    """The engine does not answer."""


class ImageError(EngineError):
    """The image cannot be had. `reason` is the waiting reason of the container."""


class CreateError(EngineError):
    """The container cannot be created or started. `reason` is the waiting reason of the container."""


class NoSuchContainer(EngineError):
    """The container is gone."""


@dataclass(frozen=True, slots=True)
class Port:
    """A declared containerPort; `host_port` is spec's hostPort (0: none asked for)."""

    container_port: int
    protocol: str = "TCP"
    host_port: int = 0


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to make. `command` and `args` as in the pod, variables not yet expanded."""

    namespace: str
    pod: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    ports: tuple[Port, ...] = ()
    memory_bytes: int = 0
    """Limit; 0: none."""
    cpu_millis: int = 0
    """Limit; 0: none."""
    cpu_request_millis: int = 0
    grace_seconds: int = 30
    stdin: bool = False
    """Whether its standard input stays open for who attaches; on the process engine it is always closed."""
    tty: bool = False


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as the engine sees it now. Times are seconds since the epoch, 0 where unknown."""

    id: str
    namespace: str
    pod: str
    pod_uid: str
    name: str
    attempt: int
    phase: str
    """created | running | exited | unknown"""
    image: str = ""
    image_id: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    address: str = ""
    """The pod's IP as far as the engine gives it one; 127.0.0.1 on the process engine."""
    host_ports: Mapping[int, int] = field(default_factory=dict)
    """containerPort -> port of 127.0.0.1, where the pod has no address of its own that the host can route to."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the Node object says of the engine."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses. `cpu_seconds` counts up, so that two samples give a rate."""

    cpu_seconds: float
    memory_bytes: int
    """Resident, without what the system could drop at once."""


Progress = Callable[[str], None]
"""Called with a line such as `Pulling nginx: 3 of 7 layers` while an image is pulled."""


class Engine(Protocol):
    """A container engine. Every call may raise EngineUnavailable."""

    name: str

    async def info(self) -> EngineInfo: ...

    async def image_id(self, image: str) -> str | None:
        """The id of the image if it is on this machine, else None."""

    async def pull(self, image: str, progress: Progress) -> str:
        """Bring the image here; returns its id. Raises ImageError."""

    async def list(self) -> list[ContainerState]:
        """Every container of this cluster."""

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container; returns its id. The same identity twice gives the same container. Raises CreateError."""

    async def start(self, container: str) -> ContainerState:
        """Start it. Raises CreateError, NoSuchContainer."""

    async def inspect(self, container: str) -> ContainerState:
        """Raises NoSuchContainer."""

    async def stats(self, containers: Sequence[str]) -> dict[str, Usage]:
        """What each of these uses now; those that do not run, or cannot be measured, are left out."""

    async def terminate(self, container: str) -> None:
        """Ask it to end: SIGTERM, or what its image asks for. Ended or gone already is fine."""

    async def kill(self, container: str) -> None:
        """End it: SIGKILL to all of it. Ended or gone already is fine."""

    async def remove(self, container: str) -> None:
        """Remove an ended container with its logs. Gone already is fine."""

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: float | None = None,
    ) -> AsyncIterator[bytes]:
        """Whole lines, each with its newline, written at `since` (seconds since the epoch) or later.

        With `follow` it ends when the container does.
        """

    async def exec(self, container: str, command: Command) -> Session:
        """Run a program in a running container. Raises CreateError, NoSuchContainer."""

    async def attach(self, container: str, *, stdin: bool) -> Session:
        """The streams of the container's own program, from now on. Raises CreateError, NoSuchContainer."""

    def exits(self) -> AsyncIterator[str]:
        """Ids of containers that ended, as it happens; ends or raises EngineUnavailable when the engine goes."""

    async def close(self) -> None:
        """Let go of the engine; containers keep running."""

    async def remove_all(self) -> None:
        """Remove every container, network and file of this cluster."""
