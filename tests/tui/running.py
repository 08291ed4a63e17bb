"""The app on a real API server, painted and ready for keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from k9lite.apiserver.server import PodStreams
from k9lite.settings import Settings
from k9lite.tui.app import K9liteApp
from k9lite.tui.widgets.footer import FooterBar
from tests.support.clock import FakeClock
from tests.support.wait import eventually
from tests.tui.plane import Plane, plane


@asynccontextmanager
async def running(
    directory: Path,
    *,
    size: tuple[int, int] = (160, 50),
    read_only: bool = False,
    initial: tuple[str, ...] = (),
    started_here: Callable[[], bool] = lambda: False,
    clock: FakeClock | None = None,
    streams: PodStreams | None = None,
) -> AsyncIterator[tuple[K9liteApp, Pilot[None], Plane]]:
    """The app on a cluster with two deployments and one service, its rows painted."""
    async with plane(directory, clock, streams) as served:
        made = await served.deployment("myd1", 3)
        await served.deployment("shop", 2, ready=1)
        await served.service("myd1", 30080)
        await served.event(made, "ScalingReplicaSet", "Scaled up replica set myd1 from 0 to 3")
        settings = Settings(home=directory / "home")
        app = K9liteApp(
            served.connect,
            settings=settings,
            read_only=read_only,
            initial=initial,
            started_here=started_here,
            clock=clock.time if clock else time.time,
        )
        async with app.run_test(size=size) as pilot:
            await eventually(lambda: app.feed is not None and all(len(pane.model) for pane in app.hosts()[0].panes))
            await pilot.pause()
            yield app, pilot, served


def flashed(app: K9liteApp) -> str:
    """The line at the bottom of the lowest screen that has one."""
    message = app.hosts()[-1].query_one(FooterBar).message
    return message[0] if message else ""


def shown_text(app: K9liteApp) -> str:
    """The texts of the dialog on top."""
    return "\n".join(str(static.render()) for static in app.screen.query(Static) if static.display)


def names(app: K9liteApp, pane: int = 0) -> list[str]:
    """Of the rows that a table of the highest screen with tables shows."""
    return [row.obj["metadata"]["name"] for row in app.hosts()[-1].panes[pane].model.rows]
