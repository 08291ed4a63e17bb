"""Makes the README's picture from the real app: `make picture`.

A control plane of its own runs on the process engine, in a directory of its own, with the demo and a deployment whose
image cannot run. The app is opened on it, keys are pressed, and what it shows is saved as SVG.

    python docs/images/picture.py [--size 120x30] [--theme k9lite-dark] [--keys down,d] [--output FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from textual.pilot import Pilot

from k9lite.client.rest import KubeClient
from k9lite.settings import Settings
from k9lite.tui.app import K9liteApp
from k9lite.tui.panes import Pane

HERE = Path(__file__).resolve().parent
COMMAND = [
    sys.executable,
    "-c",
    "import socket, sys; socket.gethostname = lambda: 'laptop'; from k9lite.__main__ import main; sys.exit(main())",
]
"""`k9lite`, on a machine of that name."""
READY_SECONDS = 60
CALM, CALM_SECONDS = 0.7, 60


def environment(home: Path) -> dict[str, str]:
    """That of the picture's own cluster."""
    own = {"K9LITE_HOME": str(home), "K9LITE_ENGINE": "process", "K9LITE_NODE_PORT_ADDRESSES": "127.0.0.1"}
    return {**{key: value for key, value in os.environ.items() if not key.startswith("K9LITE_")}, **own}


def run(home: Path, *arguments: str) -> None:
    """One command on that cluster."""
    subprocess.run([*COMMAND, *arguments], env=environment(home), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def cluster() -> Iterator[Path]:
    """The home of a populated cluster, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="k9lite-picture-") as directory:
        home = Path(directory)
        serving = subprocess.Popen([*COMMAND, "serve"], env=environment(home), stdout=subprocess.DEVNULL)
        try:
            while not Settings(home=home).kubeconfig.exists():
                time.sleep(0.1)
            populate(home)
            yield home
        finally:
            serving.terminate()
            serving.wait()
            run(home, "reset", "--yes")


def populate(home: Path) -> None:
    """The demo, a second application, and one that cannot run."""
    run(home, "demo")
    create = ("create", "deployment")
    run(home, *create, "api", "--image=k9lite/whoami", "--replicas=2", "--port=80")
    run(home, "expose", "deployment", "api", "--port=80")
    serve_files = ("--", "python3", "-m", "http.server", "$(PORT)")
    run(home, *create, "files", "--image=host", "--replicas=2", "--port=8000", *serve_files)
    run(home, "expose", "deployment", "files", "--type=NodePort", "--port=8000")
    run(home, *create, "shop", "--image=registry.example/shop:2.1", "--replicas=2", "--port=8080")
    run(home, "expose", "deployment", "shop", "--port=8080")
    run(home, "scale", "deployment", "myd1", "--replicas=5")


async def wait_until(check: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    """Asked again until it is true."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - what is waited for is on a screen
            await asyncio.sleep(0.1)


def is_settled(panes: list[Pane]) -> bool:
    """Whether every pod that can run is ready, and no cell still glows from its last change."""
    rows = [row for pane in panes for row in pane.model.rows]
    ready = [row.obj for row in panes[0].model.rows if row.obj.get("status", {}).get("readyReplicas")]
    return len(ready) >= 3 and not any(row.changed or row.added for row in rows)


async def picture(home: Path, size: tuple[int, int], theme: str, keys: list[str]) -> str:
    """What the app shows after those keys, as SVG."""

    async def connect() -> KubeClient:
        return KubeClient.from_kubeconfig(Settings(home=home).kubeconfig)

    app = K9liteApp(connect, settings=Settings(home=home / "app"))

    async def settled(pilot: Pilot[None]) -> None:
        await wait_until(lambda: app.feed is not None and bool(app.status.get("node")))
        await wait_until(lambda: is_settled(app.hosts()[0].panes))
        app.theme = theme
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.3)
        await pilot.pause(1.0)
        with contextlib.suppress(TimeoutError):  # a machine at rest looks better, but may not come
            await wait_until(lambda: app.header_info.cpu is not None and app.header_info.cpu < CALM, CALM_SECONDS)

    async with app.run_test(size=size) as pilot, asking(app):
        await settled(pilot)
        return app.export_screenshot(title="k9lite", simplify=True)


@asynccontextmanager
async def asking(app: K9liteApp) -> AsyncIterator[None]:
    """A little traffic through the NodePort of the demo meanwhile, now more, now less."""

    async def ask() -> None:
        second = 0
        while True:
            found = [pane.subscription for pane in app.hosts()[0].panes[2:] if pane.subscription]
            services = [service for each in found for service in each.objects.values()]
            ports = [port for service in services for port in service["spec"]["ports"] if "nodePort" in port]
            for _ in range((3, 8, 14, 9, 5, 17, 11)[second % 7] if ports else 0):
                _, writer = await asyncio.open_connection("127.0.0.1", ports[-1]["nodePort"])
                writer.close()
            second += 1
            await asyncio.sleep(1)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()


def trimmed(svg: str) -> str:
    """Without the fonts' addresses, so that a viewer asks nobody; the reader's own monospaced font is used."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "Menlo, DejaVu Sans Mono")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="120x30")
    parser.add_argument("--theme", default="k9lite-dark")
    parser.add_argument("--keys", default="", help="Textual's names, with commas between")
    parser.add_argument("--output", type=Path, default=HERE / "home.svg")
    given = parser.parse_args()
    width, _, height = given.size.partition("x")
    keys = [key for key in given.keys.split(",") if key]
    with cluster() as home:
        svg = asyncio.run(picture(home, (int(width), int(height)), given.theme, keys))
    given.output.write_text(trimmed(svg), encoding="utf-8")


if __name__ == "__main__":
    main()
