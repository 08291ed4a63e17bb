"""The keys that reach into a pod: shell, attach, port-forward. What they do in a terminal is tested end to end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.api.sessions import Command, Session
from k9lite.apiserver.port_forward import Dial
from k9lite.client import actions
from k9lite.engines import process_exec
from k9lite.tui.app import K9liteApp
from k9lite.tui.dialogs.form import FormDialog
from k9lite.tui.forwards import ADDRESS
from k9lite.tui.widgets.footer import FooterBar
from k9lite.tui.widgets.header import HeaderBar
from tests.support.wait import eventually
from tests.tui.plane import Plane
from tests.tui.running import flashed, running, shown_text

REFUSAL = 'exec: "sh": executable file not found in $PATH'
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "echo"},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "k9lite/whoami",
                "ports": [
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 80, "name": "http"},
                    {"containerPort": 9090},
                ],
            }
        ]
    },
}


@dataclass
class Node:
    """A node whose pods have no shell, and each port of which is one that answers in capitals."""

    port: int
    shell: str = ""
    """A script that stands for what an engine says when it is asked for a shell."""

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> Session:
        if not self.shell:
            raise ApiError(500, "InternalError", REFUSAL)
        return await process_exec.run(Command(("sh", "-c", self.shell)), {"PATH": os.defpath}, "/")

    async def attach(self, namespace: str, pod: str, container: str, *, stdin: bool) -> Session:
        raise ApiError(400, "BadRequest", f"container {container} is not running")

    def dialer(self, namespace: str, pod: str) -> Dial:
        return lambda port: asyncio.open_connection(ADDRESS, self.port)


@asynccontextmanager
async def on_pod(
    tmp_path: Path, phase: str = "Running", *, read_only: bool = False, shell: str = ""
) -> AsyncIterator[tuple[K9liteApp, Pilot[None], Plane]]:
    """The app on the pods, the cursor on `echo`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async with await asyncio.start_server(answer, ADDRESS, 0) as pod:
        node = Node(int(pod.sockets[0].getsockname()[1]), shell)
        async with running(tmp_path, initial=("po",), streams=node, read_only=read_only) as (app, pilot, served):
            made = await served.create(PODS, deepcopy(POD))
            await served.status(PODS, "echo", {"phase": phase})
            host = app.hosts()[-1]
            await eventually(lambda: host.select(made))
            yield app, pilot, served


def field(app: K9liteApp, key: str) -> Input:
    return app.screen.query_one(f"#edit-{key}", Input)


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    try:
        writer.write(b"hello\n")
        return await reader.read()
    finally:
        writer.close()


async def forwarded(app: K9liteApp, pilot: Pilot[None]) -> int:
    """Forward the port that the dialog offers, from any that is free; which one that is."""
    await pilot.press("F")
    field(app, "local").value = ""
    await pilot.press("enter")
    await eventually(lambda: app.forwards.running and not isinstance(app.screen, FormDialog))
    return app.forwards.running[-1].local


async def test_a_port_is_forwarded_shown_and_ended_from_the_list(tmp_path: Path) -> None:
    async with on_pod(tmp_path) as (app, pilot, _):
        await pilot.press("colon", *"forwards", "enter")
        await eventually(lambda: "no port is forwarded" in flashed(app))
        port = await forwarded(app, pilot)
        await eventually(lambda: f"{ADDRESS}:{port} → 80 of pod default/echo" in flashed(app))
        assert await asked(port) == b"HELLO\n"
        await eventually(lambda: f"{port}→80" in str(app.screen.query_one(HeaderBar).render()))
        second = await forwarded(app, pilot)
        await pilot.press("colon", *"pf", "enter")
        await eventually(lambda: f"{ADDRESS}:{port} → 80" in shown_text(app))
        field(app, "local").value = "1"
        await pilot.press("enter")
        await eventually(lambda: "no forward listens on that port" in shown_text(app))
        field(app, "local").value = str(port)
        await pilot.press("enter")
        await eventually(lambda: f"the forward from {port} to 80 of pod echo has ended" in flashed(app))
        with pytest.raises(ConnectionError):
            await asked(port)
        assert await asked(second) == b"HELLO\n"
    with pytest.raises(ConnectionError):
        await asked(second)


async def test_ports_are_offered_and_what_is_wrong_is_said_in_the_dialog(tmp_path: Path) -> None:
    async with on_pod(tmp_path) as (app, pilot, _):
        taken = await forwarded(app, pilot)
        await pilot.press("F")
        assert "It declares 80 (http), 9090." in shown_text(app)
        assert (field(app, "local").value, field(app, "remote").value) == ("8080", "80")
        field(app, "local").value = str(taken)
        await pilot.press("enter")
        await eventually(lambda: "choose another local port" in shown_text(app))
        field(app, "remote").value = ""
        await pilot.press("enter")
        await eventually(lambda: "a port of the pod is needed" in shown_text(app))
        await pilot.press("escape")
        assert len(app.forwards.running) == 1


async def test_a_forward_ends_with_its_pod(tmp_path: Path) -> None:
    async with on_pod(tmp_path) as (app, pilot, _):
        port = await forwarded(app, pilot)
        assert app.feed is not None
        await actions.kill(app.feed.client, "default", "echo")
        await eventually(lambda: "pod echo has gone" in flashed(app))
        assert not app.forwards.running
        with pytest.raises(ConnectionError):
            await asked(port)


async def test_a_pod_that_does_not_run_has_no_port_to_forward(tmp_path: Path) -> None:
    async with on_pod(tmp_path, "Pending") as (app, pilot, _):
        await pilot.press("F", "enter")
        await eventually(lambda: "pod is not running. Current status=Pending" in shown_text(app))
        assert not app.forwards.running


@pytest.mark.parametrize(("key", "said"), [("s", REFUSAL), ("a", "container c is not running")])
async def test_what_the_server_refuses_is_shown_as_it_says_it(tmp_path: Path, key: str, said: str) -> None:
    async with on_pod(tmp_path) as (app, pilot, _):
        await pilot.press(key)
        await eventually(lambda: said in flashed(app))
        assert app.is_running


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("echo 'OCI runtime exec failed: no sh'; exit 127", "OCI runtime exec failed: no sh"),
        ("exit 0", "container c has no shell"),
        ("echo /bin/sh", "cannot be handed to another program"),  # there is one, but no terminal in this test
    ],
)
async def test_an_image_without_a_shell(tmp_path: Path, shell: str, said: str) -> None:
    async with on_pod(tmp_path, shell=shell) as (app, pilot, _):
        await pilot.press("s")
        await eventually(lambda: said in flashed(app))
        assert app.is_running


async def test_read_only_reaches_into_no_pod(tmp_path: Path) -> None:
    async with on_pod(tmp_path, read_only=True) as (app, pilot, _):
        before = app.screen
        await pilot.press("s", "a", "F")
        assert app.screen is before
        assert not flashed(app)
        assert "shell" not in [label for _, label, _ in app.screen.query_one(FooterBar).keys]


async def test_the_footer_offers_a_shell_on_pods_and_scale_on_deployments(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        labels = [label for key, label, _ in app.screen.query_one(FooterBar).keys if key == "s"]
        assert labels == ["scale"]
        await pilot.press("tab")
        labels = [label for key, label, _ in app.screen.query_one(FooterBar).keys if key == "s"]
        assert labels == ["shell"]
