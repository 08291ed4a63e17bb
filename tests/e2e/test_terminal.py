"""The app as a person uses it: `k9lite --demo` in a real terminal, with real keys, on real pods."""

from __future__ import annotations

import asyncio
import shutil
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.terminal import SECONDS, Terminal, terminal
from tests.support.wait import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(10 * SECONDS),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
K9LITE = (sys.executable, "-m", "k9lite")


@asynccontextmanager
async def opened(*arguments: str, size: tuple[int, int] = (140, 45)) -> AsyncIterator[tuple[Terminal, Cluster]]:
    """The app in a terminal, on a cluster that it starts itself."""
    async with cluster(start=False) as made:
        made.home.mkdir(parents=True)
        try:
            async with terminal(made.home.parent / "t", made.environment) as shown:
                await shown.open((*K9LITE, *arguments), size)
                yield shown, made
        finally:
            await made.run("stop", "--pods", timeout=4 * SECONDS)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


async def test_the_first_minutes() -> None:
    async with opened("--demo") as (shown, made):
        await shown.until(r"myd1 +3/3")

        await shown.keys("s", "t", "e", "n", "Enter")  # typed ahead: no key waits for the dialog
        await shown.until("ten is not a whole number")
        await shown.keys("C-u")
        await shown.until(r"Replicas +│")
        await shown.type("10")
        await shown.keys("Enter")
        await shown.until(r"myd1 +10/10", absent="Scale deployment")
        await shown.until(r"Pods default 10")

        await shown.keys("Tab", "C-k")
        victim = (await shown.until(r"Kill pod (myd1-\w+-\w+) now\?"))[1]
        await shown.keys("Right", "Enter")
        await shown.until("killed")
        await shown.until(r"myd1 +10/10", absent=f"{victim} ")

        await shown.keys("BTab", "x")
        await shown.until("Expose deployment myd1")
        await shown.keys("Down", "Enter")
        await shown.until('services "myd1" already exists')
        await shown.keys("End", "C-u")
        await shown.until(r"Service name +│")
        await shown.type("front")
        await shown.keys("Enter")
        url = (await shown.until(r"(?s)service front answers at.*?(http://[\d.]+:\d+)"))[1]
        answers = [(await asyncio.to_thread(fetch, url)).partition("\n")[0] for _ in range(30)]
        assert len(set(answers)) == 10, "the requests are balanced over the ten pods"
        await shown.keys("Enter")
        await shown.until("Deployments default", absent="Expose deployment")

        await shown.keys("d")
        await shown.until("Describe deployment myd1")
        await shown.until(r"10 desired \| 10 updated")
        await shown.keys("Escape")
        await shown.until("Deployments default", absent="Describe deployment")
        await shown.resize(80, 24)
        await shown.until(r"myd1 +10/10")
        await shown.keys("q")
        await shown.until_ended()

        assert "running" in await made.ok("status")
        assert await asyncio.to_thread(fetch, url)
        await shown.open(K9LITE, (100, 30))
        await shown.until(r"myd1 +10/10")
        await shown.keys("C-c", "C-c")
        await shown.until_ended()
        assert "Traceback" not in shown.said()


async def test_marks_with_the_keys_that_terminals_send() -> None:
    async with opened("--demo") as (shown, _):
        await shown.until(r"myd1 +3/3")
        await shown.keys("Tab", "Space")
        await shown.until(r"Pods default 3 of myd1 ✓1")
        await shown.keys("C-Space")
        await shown.until("✓2")
        await shown.keys("C-\\")
        await shown.until(r"Pods default 3", absent="✓")
        await shown.keys("C-z")
        await shown.until("No faults in 3 pods")
        await shown.keys("C-z")
        await shown.until(r"myd1-\w+-\w+ +1/1")


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=["dumb", "no-colour"])
async def test_a_small_terminal_without_colours(variables: dict[str, str]) -> None:
    async with cluster() as made, terminal(made.home.parent / "t", made.environment) as shown:
        await shown.open(K9LITE, (40, 10), **variables)
        await shown.until("No deployments")
        await shown.keys("C-n")
        await shown.until("Create a deployment")
        await shown.resize(20, 5)
        await shown.resize(90, 30)
        await shown.type("k9lite/whoami")
        await shown.keys("Enter")
        await shown.until(r"whoami +1/1")
        await shown.keys("q")
        await shown.until_ended()
        assert not shown.said()


async def test_leaving_can_stop_what_the_app_started() -> None:
    async with opened() as (shown, made):
        await shown.until("No deployments")
        await shown.keys("q")
        await shown.until("Stop control plane")
        await shown.keys("Right", "Right", "Enter")
        await shown.until_ended()

        async def stopped() -> bool:
            return "not running" in (await made.run("status")).stdout.lower()

        await eventually(stopped, timeout=SECONDS)
