"""A shell in a pod, and the pod's own program: the app steps aside, and its watches go on.

What is wrong is known before the app steps aside, wherever the server can tell, so that it is shown in the app.
"""

from __future__ import annotations

import asyncio
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.client import remote_command, terminal
from k9lite.client.containers import default_container
from k9lite.client.errors import ClientError
from k9lite.client.remote_command import Program

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient
    from k9lite.tui.app import K9liteApp

FIND_SHELL = ("sh", "-c", "command -v bash || command -v sh")
NO_TERMINAL = "this terminal cannot be handed to another program"


async def open_shell(app: K9liteApp, client: KubeClient, pod: Obj) -> None:
    """bash where there is one, else sh; in the pod's default container."""
    namespace, name, container = namespace_of(pod), name_of(pod), str(default_container(pod)["name"])
    try:
        shell = await find_shell(client, namespace, name, container)
        running = remote_command.run(client, namespace, name, [shell], container=container, stdin=True, tty=True)
        async with running as program:
            with _aside(app, f"{shell} in container {container} of pod {name}; exit or ctrl+d returns to k9lite"):
                await terminal.join(program, stdin=True, tty=True)
        app.flash(f"left the shell of pod {name}")
    except SuspendNotSupported:
        app.flash(NO_TERMINAL, "error")
    except (ApiError, ClientError, OSError) as error:
        app.flash(str(error), "error")


async def find_shell(client: KubeClient, namespace: str, pod: str, container: str) -> str:
    """The path of a shell. Raises ClientError with what was said where there is none, ApiError, ConnectionLost."""
    said = b""
    async with remote_command.run(client, namespace, pod, FIND_SHELL, container=container) as program:
        async for _, chunk in program.output():
            said += chunk
    text = said.decode(errors="replace").strip()
    if program.exit_code or not text:
        raise ClientError(text or f"container {container} has no shell")
    return text.splitlines()[0]


async def attach_to(app: K9liteApp, client: KubeClient, pod: Obj) -> None:
    """The streams of the default container's own program, its input too where the spec gives it one."""
    namespace, name, declared = namespace_of(pod), name_of(pod), default_container(pod)
    stdin, tty = bool(declared.get("stdin")), bool(declared.get("tty"))
    key = "ctrl+]" if stdin and tty else "ctrl+c"
    container = str(declared["name"])
    try:
        attached = remote_command.attach(client, namespace, name, container=container, stdin=stdin, tty=tty)
        async with attached as program:
            with _aside(app, f"attached to container {container} of pod {name}; {key} returns to k9lite"):
                code = await _until_left(program, stdin=stdin, tty=stdin and tty)
        app.flash(f"left pod {name}" if code is None else f"the program of pod {name} ended with exit code {code}")
    except SuspendNotSupported:
        app.flash(NO_TERMINAL, "error")
    except (ApiError, ClientError, OSError) as error:
        app.flash(str(error), "error")


@contextmanager
def _aside(app: K9liteApp, text: str) -> Iterator[None]:
    """The terminal without the app. Keys that nothing has read by the end are not the app's. Raises
    SuspendNotSupported."""
    with app.suspend():
        print(text, flush=True)
        try:
            yield
        finally:
            termios.tcflush(terminal.STDIN_FD, termios.TCIFLUSH)
    app.refresh()


async def _until_left(program: Program, *, stdin: bool, tty: bool) -> int | None:
    """Its exit code; None where the user left before. Raises ApiError, ConnectionLost."""
    left = False

    def leave() -> None:
        nonlocal left
        left = True
        joining.cancel()

    joining = asyncio.create_task(terminal.join(program, stdin=stdin, tty=tty, leave=leave), name="attached")
    with _on_interrupt(leave):
        try:
            return await joining
        except asyncio.CancelledError:
            if left:
                return None
            raise


@contextmanager
def _on_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """ctrl+c outside raw mode, which would end the app."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, call)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
