"""What people see: pictures of the screens, small and large. `pytest --snapshot-update` after a wanted change."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from textual.pilot import Pilot
from textual.widgets import Input

from k9lite.tui.app import K9liteApp
from k9lite.tui.screens.help import HelpScreen
from k9lite.tui.screens.logs import LogScreen
from k9lite.tui.screens.table import TableScreen
from k9lite.tui.screens.text import TextScreen
from tests.support.clock import FakeClock
from tests.support.wait import eventually
from tests.tui.plane import Plane
from tests.tui.running import names, running

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50")]
Visit = Callable[[K9liteApp, Pilot[None], Plane], Awaitable[None]]


async def home(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await eventually(lambda: len(names(app, 1)) == 3)


async def failing(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await pilot.press("down")
    await eventually(lambda: len(names(app, 1)) == 2)


async def pods(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await pilot.press("colon", *"po", "enter")
    await eventually(lambda: isinstance(app.screen, TableScreen) and len(names(app)) == 5)


async def described(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await pilot.press("d")
    screen = app.screen
    assert isinstance(screen, TextScreen)
    await eventually(lambda: "Events:" in screen.all_text())


async def logs(app: K9liteApp, pilot: Pilot[None], served: Plane) -> None:
    served.log.write(*(f"line {number} of a log" for number in range(8)))
    await pilot.press("tab", "l")
    screen = app.screen
    assert isinstance(screen, LogScreen)
    await eventually(lambda: len(screen.view.buffer) == 8)


async def scaled(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await pilot.press("s")
    await eventually(lambda: app.screen.is_modal)


async def helped(app: K9liteApp, pilot: Pilot[None], _: Plane) -> None:
    await pilot.press("question_mark")
    await eventually(lambda: isinstance(app.screen, HelpScreen))


VISITS: dict[str, Visit] = {
    "home": home, "failing": failing, "pods": pods, "describe": described, "logs": logs, "scale": scaled,
    "help": helped,
}  # fmt: skip


async def picture(app: K9liteApp, pilot: Pilot[None], clock: FakeClock) -> str:
    """The screen as SVG, once it stands still and marks of changes are over; without what differs from run to run."""
    await clock.advance(90)
    for line in app.screen.query(Input):
        line.cursor_blink = False
    seen = ""

    async def stands_still() -> bool:
        nonlocal seen
        before, seen = seen, app.export_screenshot()
        for host in app.hosts():
            host.flush()
            host.show_detail()
        await pilot.pause()
        return before == seen

    await eventually(stands_still)
    return re.sub(r"terminal-\d+", "terminal", seen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", VISITS)
async def test_screens(snapshot: Any, tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    random.seed(1)  # cluster IPs
    clock = FakeClock()
    async with running(tmp_path, size=size, clock=clock) as (app, pilot, served):
        await VISITS[name](app, pilot, served)
        assert await picture(app, pilot, clock) == snapshot(extension_class=SVGImageExtension)


async def test_a_light_theme(snapshot: Any, tmp_path: Path) -> None:
    random.seed(1)
    clock = FakeClock()
    async with running(tmp_path, size=(80, 24), clock=clock) as (app, pilot, served):
        app.theme = "k9lite-paper"
        await home(app, pilot, served)
        assert await picture(app, pilot, clock) == snapshot(extension_class=SVGImageExtension)
