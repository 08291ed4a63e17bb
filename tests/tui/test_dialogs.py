"""Every key that changes something: what is asked, what the server is told, and how its refusals are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button, Input

from k9lite.api.catalog import DEPLOYMENTS, PODS, REPLICASETS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.tui.app import K9liteApp
from k9lite.tui.dialogs.form import FormDialog
from k9lite.tui.dialogs.leave import LeaveDialog
from k9lite.tui.screens.home import HomeScreen
from k9lite.tui.widgets.choice import Choice
from tests.support.wait import eventually
from tests.tui.plane import Plane
from tests.tui.running import flashed, names, running, shown_text

READY_PORT = 30080


def stored(served: Plane, resource: Resource, name: str, namespace: str = "default") -> Obj:
    found: Obj = served.registry.get(resource, namespace, name).obj
    return found


def is_gone(served: Plane, resource: Resource, name: str) -> bool:
    try:
        obj = stored(served, resource, name)
    except ApiError as error:
        return error.code == 404
    return "deletionTimestamp" in obj["metadata"]


def dialog(app: K9liteApp) -> FormDialog:
    assert isinstance(app.screen, FormDialog)
    return app.screen


def focused(app: K9liteApp) -> str:
    assert app.focused is not None
    return app.focused.id or ""


async def is_closed(app: K9liteApp) -> bool:
    return isinstance(app.screen, HomeScreen)


# Scale ---------------------------------------------------------------------------------------------------
async def test_scale_changes_the_number_of_replicas(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("s")
        assert focused(app) == "edit-replicas"
        assert "Now: 3 wanted, 3 ready." in shown_text(app)
        await pilot.press("1", "0", "enter")
        await eventually(lambda: "deployment myd1 scaled to 10" in flashed(app))
        assert stored(served, DEPLOYMENTS, "myd1")["spec"]["replicas"] == 10
        await eventually(lambda: app.hosts()[0].panes[0].model.rows[0].cells[1] == "3/10")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("x", "x is not a whole number"), ("-1", "-1 is not between 0 and"), (" ", "say how many replicas")],
)
async def test_a_bad_number_is_explained_beside_its_field(tmp_path: Path, typed: str, said: str) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("s")
        app.screen.query_one("#edit-replicas", Input).value = typed
        await pilot.press("enter")
        beside = app.screen.query_one("#field-replicas .field-error")
        await eventually(lambda: beside.display and said in str(beside.render()))
        assert focused(app) == "edit-replicas"
        app.screen.query_one("#edit-replicas", Input).value = "4"
        await pilot.press("enter")
        await eventually(lambda: is_closed(app))
        assert stored(served, DEPLOYMENTS, "myd1")["spec"]["replicas"] == 4


async def test_scaling_to_nothing_is_asked_once_more(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("s", "0", "enter")
        await eventually(lambda: "0 stops every pod" in shown_text(app))
        assert stored(served, DEPLOYMENTS, "myd1")["spec"]["replicas"] == 3
        await pilot.press("enter")
        await eventually(lambda: is_closed(app))
        assert stored(served, DEPLOYMENTS, "myd1")["spec"]["replicas"] == 0


async def test_scale_all_marked(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("space", "space", "s")
        assert "default/myd1\n  default/shop" in shown_text(app)
        await pilot.press("5", "enter")
        await eventually(lambda: "2 deployments scaled to 5" in flashed(app))
        assert [stored(served, DEPLOYMENTS, name)["spec"]["replicas"] for name in ("myd1", "shop")] == [5, 5]
        assert not app.hosts()[0].pane.model.marks


# Kill and delete -------------------------------------------------------------------------------------------
async def test_kill_is_asked_once_and_starts_on_cancel(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("tab", "ctrl+k")
        victim = names(app, 1)[0]
        assert focused(app) == "cancel"
        assert f"default/{victim}" in shown_text(app)
        await pilot.press("enter")
        assert await is_closed(app)
        assert not is_gone(served, PODS, victim)
        await pilot.press("ctrl+k", "right", "enter")
        await eventually(lambda: f"pod {victim} killed" in flashed(app))
        assert is_gone(served, PODS, victim)


async def test_kill_leaves_a_pod_alone_that_took_the_name_meanwhile(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("tab", "ctrl+k")
        victim = names(app, 1)[0]
        await served.registry.delete(PODS, "default", victim, DeleteOptions(grace_seconds=0))
        await served.pod(victim, {"app": "myd1"})
        await pilot.press("right", "enter")
        await eventually(lambda: "UID" in shown_text(app))
        assert not is_gone(served, PODS, victim)


@pytest.mark.parametrize(("steps", "policy"), [(0, "Background"), (1, "Foreground"), (2, "Orphan")])
async def test_delete_asks_what_becomes_of_what_it_owns(tmp_path: Path, steps: int, policy: str) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("ctrl+d")
        assert focused(app) == "cancel"
        assert "Its replica sets and pods go with it" in shown_text(app)
        choice = app.screen.query_one(Choice)
        app.screen.set_focus(choice)
        await pilot.press(*["space"] * steps)
        assert dialog(app).values()["propagation"] == policy
        await pilot.press("down", "5", "enter")
        await eventually(lambda: "deployment myd1 deleted" in flashed(app))
        finalizers = {"Background": None, "Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}[policy]
        if finalizers is None:
            assert is_gone(served, DEPLOYMENTS, "myd1")
        else:
            assert stored(served, DEPLOYMENTS, "myd1")["metadata"]["finalizers"] == finalizers


async def test_delete_takes_the_grace_period(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("tab", "ctrl+d")
        victim = names(app, 1)[0]
        grace = app.screen.query_one("#edit-grace", Input)
        app.screen.set_focus(grace)
        await pilot.press("x", "enter")
        await eventually(lambda: "Grace period: x is not a whole number" in shown_text(app))
        await pilot.press("backspace", "7", "enter")
        await eventually(lambda: is_closed(app))
        assert stored(served, PODS, victim)["metadata"]["deletionGracePeriodSeconds"] == 7


async def test_deleting_many_is_typed(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        for number in range(10):
            await served.pod(f"extra-{number}", {"app": "extra"})
        await pilot.press("tab")
        app.hosts()[0].panes[1].link("", None)
        await eventually(lambda: len(names(app, 1)) == 15)
        await pilot.press("slash", *"extra", "enter", "g", "space", *["down"] * 9, "ctrl+space")
        await pilot.press("ctrl+d")
        assert "and 2 more" in shown_text(app)
        app.screen.set_focus(app.screen.query_one("#edit-typed"))
        await pilot.press("9", "enter")
        await eventually(lambda: "type 10 to delete that many" in shown_text(app))
        assert not is_gone(served, PODS, "extra-0")
        await pilot.press("backspace", "1", "0", "enter")
        await eventually(lambda: "10 pods deleted" in flashed(app))
        assert all(is_gone(served, PODS, f"extra-{number}") for number in range(10))


# Expose ----------------------------------------------------------------------------------------------------
async def test_expose_shows_the_url(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("down", "x")
        form = dialog(app)
        assert form.values() == {"type": "NodePort", "name": "shop", "port": "80", "target": "80", "node_port": ""}
        await pilot.press("end", *["down"] * 4, "3", "0", "9", "9", "9", "enter")
        await eventually(lambda: "http://127.0.0.1:30999" in shown_text(app), timeout=20)
        assert stored(served, SERVICES, "shop")["spec"]["ports"][0]["nodePort"] == 30999
        assert str(app.screen.query_one("#submit", Button).label) == "Close"
        await pilot.press("enter")
        await eventually(lambda: is_closed(app))


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("node_port", "80", "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        ("node_port", str(READY_PORT), "provided port is already allocated"),
        ("name", "Bad_Name", "a DNS-1035 label must consist of"),
        ("name", "myd1", 'services "myd1" already exists'),
        ("port", "0", "Port: 0 is not between 1 and 65535"),
        ("target", "no such name", "must contain only alpha-numeric characters"),
    ],
)
async def test_what_the_server_refuses_is_said_beside_its_field(
    tmp_path: Path, field: str, typed: str, said: str
) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("down", "x")
        editor = app.screen.query_one(f"#edit-{field}", Input)
        editor.value = typed
        app.screen.set_focus(editor)
        await pilot.press("enter")
        beside = app.screen.query_one(f"#field-{field} .field-error")
        await eventually(lambda: beside.display and said in " ".join(str(beside.render()).split()))
        assert focused(app) == f"edit-{field}"
        with pytest.raises(ApiError):
            stored(served, SERVICES, "shop")


# Create, restart ---------------------------------------------------------------------------------------------
async def test_create_a_deployment_from_an_image(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("ctrl+n", "enter")
        await eventually(lambda: "an image is needed" in shown_text(app))
        await pilot.press(*"nginx:1.27", "enter")
        await eventually(lambda: "deployment nginx created" in flashed(app))
        await eventually(lambda: names(app) == ["myd1", "nginx", "shop"])
        container = stored(served, DEPLOYMENTS, "nginx")["spec"]["template"]["spec"]["containers"][0]
        assert (container["name"], container["image"]) == ("nginx", "nginx:1.27")


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"image": "host"}, "command", "so it needs a command"),
        ({"image": "host", "command": "'"}, "command", "No closing quotation"),
        ({"image": "x", "name": "No Good"}, "name", "lowercase RFC 1123"),
        ({"image": "x", "name": "myd1"}, "name", 'deployments.apps "myd1" already exists'),
        ({"image": "x", "replicas": "-3"}, "replicas", "-3 is not between 0"),
        ({"image": "x", "port": "99999"}, "port", "99999 is not between 1 and 65535"),
    ],
)
async def test_mistakes_in_a_new_deployment(tmp_path: Path, values: dict[str, str], field: str, said: str) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+n")
        for name, value in values.items():
            app.screen.query_one(f"#edit-{name}", Input).value = value
        await pilot.press("enter")
        beside = app.screen.query_one(f"#field-{field} .field-error")
        await eventually(lambda: beside.display and said in " ".join(str(beside.render()).split()))
        await pilot.press("escape")
        assert await is_closed(app)


async def test_a_namespace_that_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+n", *"nginx")
        app.screen.query_one("#edit-namespace", Input).value = "absent"
        await pilot.press("enter")
        await eventually(lambda: 'namespaces "absent" not found' in shown_text(app))


async def test_restart_is_asked_and_marks_the_template(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, served):
        await pilot.press("r", "right", "enter")
        await eventually(lambda: is_closed(app))
        if "restarting" not in flashed(app):  # Cancel has the focus only where something is destroyed
            await pilot.press("r", "left", "enter")
        await eventually(lambda: "deployment myd1 restarting" in flashed(app))
        annotations = stored(served, DEPLOYMENTS, "myd1")["spec"]["template"]["metadata"]["annotations"]
        assert "kubectl.kubernetes.io/restartedAt" in annotations


# Edit --------------------------------------------------------------------------------------------------------
async def test_edit_says_where_it_cannot_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("e")
        await eventually(lambda: "cannot be left" in flashed(app) or "unchanged" in flashed(app) or flashed(app))
        assert app.is_running


# Leaving -------------------------------------------------------------------------------------------------------
async def test_leaving_asks_only_who_started_the_control_plane(tmp_path: Path) -> None:
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("q")
        await eventually(lambda: app._exit)


@pytest.mark.parametrize("key", ["enter", "q"])
async def test_leave_running(tmp_path: Path, key: str) -> None:
    async with running(tmp_path, started_here=lambda: True) as (app, pilot, _):
        await pilot.press("q")
        assert isinstance(app.screen, LeaveDialog)
        await pilot.press("escape")
        assert await is_closed(app)
        await pilot.press("q", key)
        await eventually(lambda: app._exit)


async def test_a_control_plane_that_cannot_be_stopped_is_said(tmp_path: Path) -> None:
    """The server of this test has no one to stop it."""
    async with running(tmp_path, started_here=lambda: True) as (app, pilot, _):
        await pilot.press("q", "right", "enter")
        await eventually(lambda: "the control plane cannot be stopped" in flashed(app))
        assert app.is_running


async def test_a_defect_in_a_dialog_is_shown_and_does_not_end_the_app(tmp_path: Path) -> None:
    async def fail(_: dict[str, str]) -> str:
        raise ZeroDivisionError("no good")

    async with running(tmp_path) as (app, pilot, _):
        app.push_screen(FormDialog("Try", fail))
        await pilot.press("right", "enter")
        if "no good" not in shown_text(app):
            await pilot.press("left", "enter")
        await eventually(lambda: "ZeroDivisionError: no good" in shown_text(app))


def test_replica_sets_can_be_scaled_too() -> None:
    from k9lite.tui.actions import BY_ID

    assert BY_ID["table.scale"].works_on(REPLICASETS.key, read_only=False)
    assert not BY_ID["table.scale"].works_on(REPLICASETS.key, read_only=True)
