"""Any cluster in the app: listed, switched to live, and what it lacks said in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from k9lite.client.rest import KubeClient
from k9lite.settings import Settings
from k9lite.tui.app import K9liteApp
from k9lite.tui.dialogs.contexts import ContextsDialog
from k9lite.tui.screens.host import HostScreen
from k9lite.tui.widgets.banner import Banner
from k9lite.tui.widgets.footer import FooterBar
from k9lite.tui.widgets.header import HeaderBar
from tests.support.other_server import other_server
from tests.support.wait import eventually
from tests.tui.plane import Plane, plane


def written(directory: Path, made: Plane, **servers: str) -> Path:
    """A kubeconfig with the plane's own context and those of other servers."""
    text = made.kubeconfig.read_text()
    for name, url in servers.items():
        name = name.replace("_", "-")
        text = text.replace("clusters:\n", f"clusters:\n- {{name: {name}, cluster: {{server: '{url}'}}}}\n")
        text = text.replace("contexts:\n", f"contexts:\n- {{name: {name}, context: {{cluster: {name}}}}}\n")
    path = directory / "contexts"
    path.write_text(text)
    return path


class Open:
    """An app that is running."""

    def __init__(self, app: K9liteApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def host(self) -> HostScreen:
        return self.app.hosts()[-1]

    def names(self, pane: int = 1) -> list[str]:
        return [str(row.obj["metadata"]["name"]) for row in self.host.panes[pane].model.rows]

    @property
    def banner(self) -> str:
        return self.host.query_one(Banner).text

    @property
    def flash(self) -> str:
        message = self.host.query_one(FooterBar).message
        return message[0] if message else ""

    async def type(self, command: str) -> None:
        self.app.run_command(command)
        await self.pilot.pause()

    async def until(self, check: Callable[[], object]) -> None:
        async def checked() -> object:
            await self.pilot.pause()
            return check()

        await eventually(checked)


@asynccontextmanager
async def opened(tmp_path: Path, made: Plane, **servers: str) -> AsyncIterator[Open]:
    path = written(tmp_path, made, **servers)
    app = K9liteApp(lambda: made.connect(), settings=Settings(home=tmp_path / "home"), kubeconfig=path)
    async with app.run_test(size=(120, 40)) as pilot:
        await eventually(lambda: app.feed is not None)
        yield Open(app, pilot)


async def test_contexts_are_listed_and_one_is_switched_to_and_back(tmp_path: Path) -> None:
    async with plane(tmp_path / "plane") as made, other_server(minor="35", watch_list="served") as other:
        await made.deployment("web", replicas=1)
        other.write("theirs")
        async with opened(tmp_path, made, other_prod=other.url) as seen:
            await seen.until(lambda: seen.names() == ["web-7d4b9c6f5-00000"])
            await seen.type("ctx")
            await seen.until(lambda: isinstance(seen.app.screen, ContextsDialog))
            await seen.pilot.press("k", "enter")
            await seen.until(lambda: seen.names() == ["theirs"])
            assert seen.app.screen is seen.host
            info = seen.host.query_one(HeaderBar).info
            assert (info.context, info.production) == ("other-prod", True)
            assert seen.host.has_class("-guarded")
            await seen.until(lambda: seen.host.query_one(HeaderBar).info.version == "v1.24.17-other")
            await seen.type("ctx k9lite")
            await seen.until(lambda: seen.names() == ["web-7d4b9c6f5-00000"])
            assert not seen.host.has_class("-guarded")
        assert other.requests["k9lite"] == 0


async def test_rows_of_the_old_cluster_are_gone_before_the_new_client_comes(tmp_path: Path) -> None:
    async with plane(tmp_path / "plane") as made, other_server(forbidden={"pods"}) as other:
        await made.deployment("web", replicas=1)
        async with opened(tmp_path, made, other=other.url) as seen:
            await seen.until(lambda: seen.names() == ["web-7d4b9c6f5-00000"])
            clients: list[KubeClient] = []
            connected = seen.app._connected

            def spying(client: KubeClient) -> None:
                assert seen.names(0) == seen.names(1) == []
                clients.append(client)
                connected(client)

            seen.app._connected = spying  # type: ignore[method-assign]
            await seen.type("ctx other")
            await seen.until(lambda: clients)
            assert seen.names() == []


async def test_what_a_cluster_refuses_is_said_in_its_table_and_not_as_a_lost_connection(tmp_path: Path) -> None:
    async with (
        plane(tmp_path / "plane") as made,
        other_server(forbidden={"pods", "services"}) as other,
        opened(tmp_path, made, other=other.url) as seen,
    ):
        await seen.type("ctx other")
        await seen.until(lambda: "cannot list resource" in seen.host.panes[1].table._message)
        assert seen.banner == ""
        assert other.requests["list"] == 1
        await seen.type("nonsense")
        await seen.until(lambda: "resource type" in seen.flash)


@pytest.mark.parametrize(
    ("context", "words"),
    [("absent", 'context "absent" does not exist'), ("dead", "cannot be reached"), ("strict", "credentials")],
)
async def test_a_cluster_that_does_not_answer_changes_nothing(tmp_path: Path, context: str, words: str) -> None:
    async with plane(tmp_path / "plane") as made, other_server(unauthorized=True) as strict:
        await made.deployment("web", replicas=1)
        async with opened(tmp_path, made, dead="http://127.0.0.1:1", strict=strict.url) as seen:
            await seen.until(lambda: seen.names() == ["web-7d4b9c6f5-00000"])
            await seen.type(f"ctx {context}")
            await seen.until(lambda: words in seen.flash)
            assert seen.names() == ["web-7d4b9c6f5-00000"]
            assert seen.app.feed is not None
            assert seen.app.feed.client.context == "k9lite"
            await made.deployment("more", replicas=1)
            await seen.until(lambda: len(seen.names(0)) == 2)


async def test_credentials_that_expire_are_a_banner(tmp_path: Path) -> None:
    async with plane(tmp_path / "plane") as made, other_server() as other:
        other.write("a")
        async with opened(tmp_path, made, other=other.url) as seen:
            await seen.type("ctx other")
            await seen.until(lambda: seen.names() == ["a"])
            other.does.unauthorized = True
            other.drop_watches()
            await seen.until(lambda: "does not accept the credentials" in seen.banner)
            assert seen.names() == ["a"]


async def test_a_kind_of_its_own_has_the_columns_that_its_server_prints(tmp_path: Path) -> None:
    async with (
        plane(tmp_path / "plane") as made,
        other_server(minor="35", watch_list="served") as other,
        opened(tmp_path, made, other=other.url) as seen,
    ):
        other.write("a", size="9")
        await seen.type("widgets @other")
        await seen.until(lambda: seen.names(0) == ["a"])
        model = seen.host.panes[0].model
        assert [column.name for column in model.columns] == ["Name", "Size"]
        assert model.look_at(model.rows[0]).cells == ("a", "9")
        other.write("a", size="10")
        await seen.until(lambda: model.look_at(model.rows[0]).cells == ("a", "10"))


async def test_completion_knows_the_contexts(tmp_path: Path) -> None:
    async with plane(tmp_path / "plane") as made, opened(tmp_path, made, other="http://127.0.0.1:1") as seen:
        assert seen.app.complete("ctx o", []) == "ctx other"
        assert seen.app.complete("po @o", []) == "po @other"
