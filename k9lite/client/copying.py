"""Files to and from containers, as tar streams of the container's own `tar`. Source: kubectl cp.

Nothing is held in memory: a thread packs or unpacks at one end of a pipe, the WebSocket is at the other.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from k9lite.api.errors import ApiError
from k9lite.client import remote_command
from k9lite.client.errors import ClientError
from k9lite.client.remote_command import CHUNK, STDOUT, Program
from k9lite.client.rest import KubeClient


class CopyError(ClientError):
    """Files that could not be copied; says which and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A container of a pod."""

    client: KubeClient
    namespace: str
    pod: str
    container: str = ""


async def is_directory(place: Place, path: str) -> bool:
    """Whether the container has a directory of that name; no, where it has no `test` to tell."""
    try:
        async with _run(place, ["test", "-d", path]) as program:
            await _drain(program)
            return program.exit_code == 0
    except ApiError as error:
        if error.code < 500:
            raise
        return False


async def upload(place: Place, source: Path, target: str, *, preserve: bool = True) -> None:
    """A file or directory into a container. Into a directory it goes under its own name. Raises CopyError, ApiError."""
    own_name = await asyncio.to_thread(_name_of, source)
    target = target.rstrip("/") or "/"
    if await is_directory(place, target):
        target = posixpath.join(target, own_name)
    directory, name = posixpath.split(target)
    options = ["-xmf"] if preserve else ["--no-same-permissions", "--no-same-owner", "-xmf"]
    command = ["tar", *options, "-", *(["-C", directory] if directory else [])]
    async with _run(place, command, stdin=True) as program:
        if not program.can_end_input:
            raise CopyError("this server cannot be told that a file ends (it has no v5 of the exec protocol)")

        def pack(pipe: int) -> None:
            with os.fdopen(pipe, "wb") as file, tarfile.open(fileobj=file, mode="w|") as archive:
                archive.add(source, arcname=name)

        saying = asyncio.create_task(_drain(program), name="copy-said")
        try:
            await _pumped(pack, program)
            await program.end_input()
            said = await saying
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
        _check(program, said)


def _name_of(source: Path) -> str:
    if not source.exists():
        raise CopyError(f"{source} doesn't exist in local filesystem")
    return source.resolve().name


async def _pumped(pack: Callable[[int], None], program: Program) -> None:
    reader, writer = os.pipe()
    packing = asyncio.create_task(asyncio.to_thread(pack, writer), name="copy-pack")
    try:
        while chunk := await asyncio.to_thread(os.read, reader, CHUNK):
            await program.write(chunk)
    finally:
        os.close(reader)
        with suppress(BrokenPipeError):
            await packing


async def download(place: Place, source: str, target: Path, on_skip: Callable[[str], None]) -> None:
    """A file or directory out of a container. Links are skipped, and told. Raises CopyError, ApiError."""
    prefix = posixpath.normpath(source).lstrip("/")
    while prefix.startswith("../"):
        prefix = prefix[3:]
    async with _run(place, ["tar", "cf", "-", source]) as program:
        reader, writer = os.pipe()

        def unpack() -> int:
            with os.fdopen(reader, "rb") as file:
                return _unpack(file, prefix, target, on_skip)

        unpacking = asyncio.create_task(asyncio.to_thread(unpack), name="copy-unpack")
        broken = False
        try:
            said = await _drain(program, lambda chunk: asyncio.to_thread(_write_all, writer, chunk))
        except BrokenPipeError:  # it could not be unpacked, which says why
            broken = True
        finally:
            os.close(writer)
            (count,) = await asyncio.gather(unpacking, return_exceptions=True)
        if not broken:
            _check(program, said)
        if isinstance(count, BaseException):
            raise count
        if not count:
            raise CopyError(f"nothing was copied from {source}")


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _unpack(file: object, prefix: str, target: Path, on_skip: Callable[[str], None]) -> int:
    """Write what lies under the prefix; the number of files and directories."""
    count = 0
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                count += _extract(archive, member, prefix, target, on_skip)
    except tarfile.ReadError as error:
        if "empty file" in str(error):
            return 0
        raise CopyError(f"what the container's tar sent cannot be read: {error}") from error
    return count


def _extract(
    archive: tarfile.TarFile, member: tarfile.TarInfo, prefix: str, target: Path, on_skip: Callable[[str], None]
) -> int:
    name = posixpath.normpath(member.name.lstrip("/"))
    relative = posixpath.relpath(name, prefix)
    if relative.startswith("..") or name.startswith(".."):
        on_skip(f'file "{member.name}" is outside target destination, skipping')
        return 0
    place = target / relative if relative != "." else target
    if relative == "." and member.isfile() and place.is_dir():
        place = place / posixpath.basename(name)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        place.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        assert content is not None
        if place.is_symlink():
            raise CopyError(f"{place} is a link; it is not written through")
        with place.open("wb") as out:
            shutil.copyfileobj(content, out)
        place.chmod(member.mode & 0o777)
    else:
        on_skip(f'skipping "{member.name}": it is a link or a device')
        return 0
    return 1


def _run(place: Place, command: list[str], *, stdin: bool = False) -> AbstractAsyncContextManager[Program]:
    return remote_command.run(place.client, place.namespace, place.pod, command, container=place.container, stdin=stdin)


async def _drain(program: Program, take: Callable[[bytes], Awaitable[None]] | None = None) -> str:
    """Hand stdout to `take`; returns the beginning of what was said on stderr."""
    said = b""
    async for channel, chunk in program.output():
        if channel == STDOUT and take is not None:
            await take(chunk)
        elif channel != STDOUT:
            said = (said + chunk)[:4096]
    return said.decode(errors="replace").strip()


def _check(program: Program, said: str) -> None:
    if program.exit_code:
        raise CopyError(f"tar in the container ended with exit code {program.exit_code}: {said or 'it says nothing'}")
