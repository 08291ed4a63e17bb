"""The app on a real API server: every key, prompts, connection, namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from k9lite.client.errors import ConnectionLost
from k9lite.client.rest import KubeClient
from k9lite.settings import Settings
from k9lite.tui.app import K9liteApp
from k9lite.tui.screens.help import HelpScreen
from k9lite.tui.screens.home import HomeScreen
from k9lite.tui.screens.logs import LogScreen
from k9lite.tui.screens.table import TableScreen
from k9lite.tui.screens.text import TextScreen
from k9lite.tui.widgets.banner import Banner
from k9lite.tui.widgets.footer import FooterBar
from k9lite.tui.widgets.prompt import Prompt
from tests.support.wait import eventually
from tests.tui.running import flashed, names, running, shown_text


async def test_moving_among_deployments_scopes_pods_and_services(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await eventually(lambda: len(names(app, 1)) == 3 and names(app, 2) == ["myd1"])
        await pilot.press("down")
        await eventually(lambda: len(names(app, 1)) == 2 and names(app, 2) == [])
        home = app.screen
        assert isinstance(home, HomeScreen)
        await pilot.press("tab")
        assert home.pane.resource.plural == "pods"
        await pilot.press("tab")
        assert home.pane.resource.plural == "services"
        await pilot.press("shift+tab", "shift+tab")
        assert home.pane.resource.plural == "deployments"


async def test_enter_drills_down_to_the_logs_and_escape_returns(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        served.log.write("hello", "world")
        await pilot.press("enter")
        await eventually(lambda: isinstance(app.screen, TableScreen) and len(names(app)) == 3)
        assert app.screen.query_one(FooterBar).crumbs == ("home", "pods of deployment myd1")
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, LogScreen)
        await eventually(lambda: len(screen.view.buffer) == 2)
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("escape")
        await eventually(lambda: "q leaves" in flashed(app))


@pytest.mark.parametrize(("key", "word"), [("d", "Replicas:"), ("y", "kind: Deployment")])
async def test_describe_and_yaml(tmp_path: Path, key: str, word: str) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press(key)
        screen = app.screen
        assert isinstance(screen, TextScreen)
        await eventually(lambda: word in screen.all_text())
        await pilot.press("slash", *"myd1", "enter")
        await eventually(lambda: screen.view.current is not None)
        await pilot.press("n", "N", "w", "c", "ctrl+r", "escape", "escape")
        await eventually(lambda: isinstance(app.screen, HomeScreen))


async def test_filter_as_you_type_and_clear(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("slash", *"shop")
        await eventually(lambda: names(app) == ["shop"])
        await pilot.press("enter")
        assert "/shop" in str(app.hosts()[0].panes[0].border_title)
        await pilot.press("escape")
        assert names(app) == ["myd1", "shop"]
        await pilot.press("slash", *"*[", "enter")
        await eventually(lambda: "filter" in flashed(app))


async def test_commands_completion_and_history(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("colon", *"svc app", "escape")
        await pilot.press("colon", *"deplo")
        prompt = app.screen.query_one(Prompt)
        assert prompt.completed("deplo") == "deployments"
        await pilot.press("tab", "enter")
        await eventually(lambda: isinstance(app.screen, TableScreen) and names(app) == ["myd1", "shop"])
        await pilot.press("colon", *"po app=shop /0000", "enter")
        await eventually(lambda: len(names(app)) == 2 and app.screen.query_one(FooterBar).crumbs == ("home", "pods"))
        await pilot.press("left_square_bracket")
        await eventually(lambda: app.hosts()[-1].panes[0].resource.plural == "deployments")
        await pilot.press("right_square_bracket")
        await eventually(lambda: app.hosts()[-1].panes[0].resource.plural == "pods")
        await pilot.press("minus")
        await eventually(lambda: app.hosts()[-1].panes[0].resource.plural == "deployments")
        await pilot.press("colon", "up")
        assert "po app=shop" in app.screen.query_one(Prompt).query_one("_Line").value  # type: ignore[attr-defined]
        await pilot.press("escape", "colon", *"gadgets", "enter")
        await eventually(lambda: "gadgets" in flashed(app))


async def test_namespaces_by_number(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await eventually(lambda: "kube-system" in app.namespaces())
        await pilot.press("0")
        assert app.namespace == ""
        await eventually(lambda: names(app) == ["myd1", "shop"])
        await pilot.press("2")
        assert app.namespace == app.namespaces()[1]
        await eventually(lambda: names(app) == [])
        await pilot.press("1")
        await eventually(lambda: names(app) == ["myd1", "shop"])
        await pilot.press("9")
        await eventually(lambda: "no namespace number 9" in flashed(app))


async def test_marks_sorts_columns_copy_and_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path) as (app, pilot, _):
        table = app.hosts()[0].panes[0].table
        await pilot.press("space", "ctrl+space")
        assert len(table.targets()) == 2
        await pilot.press("c")
        assert app.clipboard == "myd1\nshop"
        await pilot.press("ctrl+backslash")
        assert not table.model.marks
        await pilot.press("N")
        assert names(app) == ["shop", "myd1"]
        await pilot.press("A", "S", "shift+right", "O", "ctrl+w", "ctrl+z", "ctrl+z", "ctrl+r")
        assert table.model.wide
        await pilot.press("ctrl+s")
        assert (tmp_path / "deployments-default.csv").read_text().startswith("Name,Ready")
        await eventually(lambda: "saved" in flashed(app))


async def test_every_key_is_in_the_help(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = str(app.screen._text())
        assert "ctrl+k" in text
        assert "table.delete" in text
        await pilot.press("escape", "ctrl+a")
        screen = app.screen
        assert isinstance(screen, TextScreen)
        await eventually(lambda: "replicasets" in screen.all_text())


async def test_replica_sets_node_and_previous_logs(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("z")
        assert app.hosts()[-1].panes[0].resource.plural == "replicasets"
        await pilot.press("escape", "tab", "o")
        assert app.hosts()[-1].panes[0].resource.plural == "nodes"
        await pilot.press("escape", "p")
        assert isinstance(app.screen, LogScreen)


async def test_read_only_has_no_key_that_changes_anything(tmp_path: Path) -> None:
    async with running(tmp_path, read_only=True, initial=("po", "svc")) as (app, pilot, _):
        assert [pane.resource.plural for pane in app.hosts()[0].panes] == ["pods", "services"]
        before = app.screen
        await pilot.press("ctrl+k", "ctrl+d", "ctrl+n", "e", "s", "x")
        assert app.screen is before
        keys = [key for key, _, _ in app.screen.query_one(FooterBar).keys]
        assert "ctrl+d" not in keys
        assert "d" in keys


async def test_a_lost_connection_is_a_banner_and_rows_stay(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await served.server.stop()
        banner = app.screen.query_one(Banner)
        await eventually(lambda: "connection lost" in banner.text and banner.retry_at is not None)
        await eventually(lambda: app.hosts()[0].panes[0].has_class("-stale"))
        assert names(app) == ["myd1", "shop"]
        await pilot.press("down", "question_mark", "escape")


async def test_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    async def connect() -> KubeClient:
        raise ConnectionLost("the server https://127.0.0.1:1 cannot be reached: connection refused")

    app = K9liteApp(connect, settings=Settings(home=tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await eventually(lambda: "cannot be reached" in app.screen.query_one(Banner).text)
        await pilot.press("s", "d", "l", "ctrl+n")
        await eventually(lambda: "not connected" in flashed(app))


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (80, 24), (250, 70)])
async def test_any_size_and_resizing_while_drawing(tmp_path: Path, size: tuple[int, int]) -> None:
    async with running(tmp_path, size=size) as (app, pilot, _):
        for width, height in ((40, 10), (200, 60), (10, 3), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.press("down", "tab")
        await pilot.press("s", "escape", "question_mark", "escape")
        assert app.is_running


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_without_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    async with running(tmp_path, size=(80, 24)) as (app, pilot, _):
        await pilot.press("down", "d", "escape")
        assert app.is_running


async def test_ctrl_c_twice_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+c")
        await eventually(lambda: "once more" in flashed(app))
        await pilot.press("ctrl+c")
        await eventually(lambda: not app.is_running or app._exit)


async def test_users_keys_replace_the_shipped_ones(tmp_path: Path) -> None:
    config = tmp_path / "home/config"
    config.mkdir(parents=True)
    (config / "keys.yaml").write_text("table.describe: f5\ntable.scale: d\nnope: x\n")
    async with running(tmp_path) as (app, pilot, _):
        await eventually(lambda: "table.describe" in app.keymap)
        await pilot.press("f5")
        assert isinstance(app.screen, TextScreen)
        assert [note.message.count("nope") for note in app._notifications] == [1]


async def test_keys_typed_ahead_reach_the_dialog_that_opens(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        for key in ("s", "t", "e", "n", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await eventually(lambda: "ten is not a whole number" in shown_text(app))
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)
