"""The line to one container engine: the blocking SDK in bounded threads, its errors told apart, its streams read.

Connects at the first call, and again after the engine was away.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from k9lite.engines.base import CreateError, EngineUnavailable, NoSuchContainer
from k9lite.engines.detect import candidates, docker_socket
from k9lite.engines.docker_answers import is_local, words

if TYPE_CHECKING:
    import docker

T = TypeVar("T")

PARALLEL_CALLS = 16
"""More at once makes the daemon slower, not faster: it serialises on its own locks."""
STREAMS = 64


class Connection:
    """`address` and `routable` are known once a call was answered."""

    def __init__(self) -> None:
        self.address = ""
        self.routable = True
        """Whether this host reaches the engine's networks."""
        self._client: docker.APIClient | None = None
        self._connecting = threading.Lock()
        self._threads = ThreadPoolExecutor(PARALLEL_CALLS, thread_name_prefix="docker")
        self._followers = ThreadPoolExecutor(STREAMS, thread_name_prefix="docker-stream")
        self._open_streams: set[Any] = set()

    def close(self) -> None:
        """End every stream and call."""
        for stream in list(self._open_streams):
            _close_stream(stream)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._followers.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()
            self._client = None

    async def call(self, function: Callable[[docker.APIClient], T]) -> T:
        """Run one blocking call in the pool, with the SDK's errors told apart."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._guarded, function)

    def _guarded(self, function: Callable[[docker.APIClient], T]) -> T:
        import requests
        from docker.errors import APIError, DockerException, NotFound

        try:
            return function(self._connect())
        except NotFound as error:
            raise NoSuchContainer(str(error.explanation or error)) from error
        except APIError as error:
            raise CreateError(words(error), "CreateContainerError") from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise EngineUnavailable(
                f"the container engine at {self.address or 'its socket'} is away: {error}"
            ) from error

    def _connect(self) -> docker.APIClient:
        with self._connecting:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> docker.APIClient:
        import docker

        answering = docker_socket()
        self.address = answering or next(candidates())
        if answering is None:
            raise EngineUnavailable(f"no container engine answers at {self.address}; start it, and pods resume")
        client = docker.APIClient(
            base_url=self.address, version="auto", timeout=120, num_pools=4, max_pool_size=PARALLEL_CALLS
        )
        self.routable = sys.platform == "linux" and self.address.startswith("unix://") and is_local(client)
        return client

    async def pump(self, stream: Iterator[T]) -> AsyncIterator[T]:
        """The items of a blocking stream, read in a thread, never more than a few ahead of the reader."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[T | BaseException | None] = asyncio.Queue(64)

        def read() -> None:
            last: BaseException | None = None
            try:
                for item in stream:
                    asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()
            except BaseException as error:  # handed to the reader, which is still there to be told
                last = error
            with contextlib.suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(queue.put(last), loop)

        self._open_streams.add(stream)
        reader = loop.run_in_executor(self._followers, read)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise EngineUnavailable(f"the container engine at {self.address} is away: {item}") from item
                yield item
        finally:
            self._open_streams.discard(stream)
            _close_stream(stream)
            while not queue.empty():
                queue.get_nowait()
            reader.cancel()


def _close_stream(stream: Any) -> None:
    """Shut the connection under a stream, so that the thread that reads it ends."""
    for part in (stream, getattr(stream, "_response", None)):
        if part is not None and hasattr(part, "close"):
            with contextlib.suppress(Exception):
                part.close()
