"""The table as it is drawn and handled. Time stands still."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from k9lite.tui.model import RowModel
from k9lite.tui.views import EventsView
from tests.tui.rows import Moment, TableApp, model_of, pod


def many(count: int = 40) -> RowModel:
    model = model_of(*(pod(number, name=f"pod-{number:03d}") for number in range(count)))
    model.set_show_namespace(False)
    return model


async def test_header_stays_and_rows_scroll() -> None:
    app = TableApp(many())
    async with app.run_test(size=(60, 10)) as pilot:
        assert app.line(0).split() == ["NAME↑", "READY", "STATUS", "RESTARTS", "IP", "NODE", "AGE"]
        assert app.line(1).split() == ["●", "pod-000", "1/1", "Running", "0", "10.0.0.0", "laptop", "60m"]
        await pilot.press("G")
        assert app.line(0).startswith("   NAME↑")
        assert "pod-039" in app.line(9)
        await pilot.press("k", "k")
        assert app.highlighted[-1] == "pod-037"
        await pilot.press("g")
        assert "pod-000" in app.line(1)
        await pilot.press("pagedown")
        assert app.table.selected is not None
        assert app.table.selected["metadata"]["name"] == "pod-009"


async def test_the_cursor_stays_on_its_object_and_the_object_on_its_line() -> None:
    model = many()
    app = TableApp(model)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press(*["j"] * 20)
        line = next(y for y in range(12) if "pod-020" in app.line(y))
        for number in range(100, 105):
            model.apply("ADDED", pod(number, name=f"a-{number}"))
        app.table.flush()
        await pilot.pause()
        assert "pod-020" in app.line(line)
        assert app.table.selected == model.get("uid-20")
        assert app.highlighted[-1] == "pod-020"


async def test_a_deleted_object_gives_the_cursor_to_its_neighbour_when_it_is_painted() -> None:
    model = many(3)
    app = TableApp(model)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("j")
        model.apply("DELETED", pod(1))
        assert app.table.targets()[0]["metadata"]["name"] == "pod-001"  # what was painted when the key was pressed
        app.table.flush()
        assert app.table.targets()[0]["metadata"]["name"] == "pod-002"
        model.replace([])
        app.table.flush()
        await pilot.pause()
        assert app.highlighted[-1] == ""
        assert app.table.targets() == []


async def test_what_is_painted_between_flushes_is_what_was_flushed() -> None:
    model = many(4)
    app = TableApp(model)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("j")
        for number in range(100, 103):
            model.apply("ADDED", pod(number, name=f"a-{number}"))
        await pilot.press("j")
        assert app.line(3).split()[1] == "pod-002"
        assert app.highlighted[-1] == "pod-002"
        app.table.flush()
        assert app.line(6).split()[1] == "pod-002"
        assert app.table.selected == model.get("uid-2")


async def test_rows_that_go_away_leave_no_trace() -> None:
    model = many(30)
    app = TableApp(model)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("G")
        model.replace([pod(number, name=f"pod-{number:03d}") for number in range(3)])
        app.table.flush()
        await pilot.pause()
        assert app.table.scroll_offset.y == 0
        assert [app.line(y).split()[1] for y in (1, 2, 3)] == ["pod-000", "pod-001", "pod-002"]
        assert app.line(4) == ""
        screen = app.export_screenshot()
        assert "pod-029" not in screen
        assert "pod-002" in screen


async def test_marks_are_shown_and_targets_hold_hidden_ones() -> None:
    model = many(6)
    app = TableApp(model)
    async with app.run_test(size=(60, 12)):
        app.table.action_mark()
        assert app.line(1).startswith("✓● pod-000")
        app.table.action_last()
        app.table.action_cursor_up()
        app.table.action_mark_range()
        assert len(app.table.targets()) == 5
        model.set_filter("pod-005")
        app.table.flush()
        assert len(app.table.targets()) == 5
        app.table.action_clear_marks()
        assert [obj["metadata"]["name"] for obj in app.table.targets()] == ["pod-005"]


async def test_mouse_selects_sorts_marks_and_opens() -> None:
    app = TableApp(many(6))
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.click(app.table, offset=(5, 3))
        assert app.highlighted[-1] == "pod-002"
        await pilot.click(app.table, offset=(5, 0))
        assert app.table.model.sort == ("Name", True)
        assert app.line(0).startswith("   NAME↓")
        assert app.highlighted[-1] == "pod-002"
        await pilot.click(app.table, offset=(5, 1), control=True)
        assert app.table.model.marks == {"uid-5"}
        await pilot.double_click(app.table, offset=(5, 6))
        assert app.activated == ["pod-000"]
        await pilot.click(app.table, offset=(5, 10))  # below the rows: nothing
        await pilot.press("enter")
        assert app.activated == ["pod-000", "pod-000"]


async def test_column_cursor_and_sorting_by_it() -> None:
    app = TableApp(many(3))
    async with app.run_test(size=(80, 12)):
        app.table.action_column_right()
        app.table.action_column_right()
        app.table.action_sort_column()
        assert app.table.model.sort == ("Status", False)
        app.table.action_sort("NAME")
        app.table.action_sort("name")
        assert app.table.model.sort == ("Name", True)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"loading": True}, "Loading pods…"),
        ({}, "No pods"),
        ({"message": "No pods in namespace shop"}, "No pods in namespace shop"),
    ],
)
async def test_a_table_without_rows_says_why(state: dict[str, Any], text: str) -> None:
    app = TableApp(model_of(), **state)
    async with app.run_test(size=(60, 12)):
        assert text in [app.line(y).strip() for y in range(12)]


async def test_a_filter_without_matches_says_so() -> None:
    app = TableApp(many(3))
    async with app.run_test(size=(60, 12)):
        app.table.model.set_filter("nothing")
        app.table.flush()
        assert "None of 3 pods matches /nothing" in [app.line(y).strip() for y in range(12)]


async def test_only_changed_visible_rows_are_drawn_anew() -> None:
    model = many(40)
    app = TableApp(model)
    async with app.run_test(size=(60, 10)) as pilot:
        before = [app.table.render_line(y) for y in range(10)]
        model.apply("MODIFIED", pod(2, "CrashLoopBackOff", name="pod-002"))
        model.apply("MODIFIED", pod(30, "CrashLoopBackOff", name="pod-030"))
        app.table.flush()
        await pilot.pause()
        app.table.flush()
        after = [app.table.render_line(y) for y in range(10)]
        wider = before[1].text != after[1].text  # the longer status made the column wider, once
        model.apply("MODIFIED", pod(2, name="pod-002"))
        app.table.flush()
        again = [app.table.render_line(y) for y in range(10)]
        assert wider
        assert [y for y in range(1, 10) if again[y] is not after[y]] == [3]


async def test_a_lost_connection_greys_the_rows_and_keeps_them() -> None:
    app = TableApp(many(3))
    async with app.run_test(size=(60, 12)):
        live = app.table.render_line(2)
        app.table.set_state(stale=True)
        stale = app.table.render_line(2)
        assert stale.text == live.text
        assert len({segment.style.color for segment in stale if segment.style}) == 1
        app.table.set_state()
        assert list(app.table.render_line(2)) == list(live)


async def test_resizing_and_theme_changes_redraw() -> None:
    app = TableApp(many(3))
    async with app.run_test(size=(100, 12)) as pilot:
        wide, dark = app.line(0), app.table.render_line(1)
        await pilot.resize_terminal(40, 12)
        assert len(app.line(0)) < len(wide)
        await pilot.resize_terminal(100, 12)
        app.theme = "k9lite-paper"
        await pilot.pause()
        assert app.line(0) == wide
        assert list(app.table.render_line(1)) != list(dark)


async def test_another_model_takes_over() -> None:
    app = TableApp(many(30))
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("G")
        events = RowModel(EventsView(), Moment())
        events.replace([
            {"kind": "Event", "metadata": {"name": "e", "namespace": "default", "uid": "e"}, "type": "Warning",
             "reason": "BackOff", "message": "back-off\nrestarting", "involvedObject": {"kind": "Pod", "name": "web"}},
        ])  # fmt: skip
        app.table.set_model(events)
        await pilot.pause()
        assert "LAST SEEN↓" in app.line(0)
        assert "back-off restarting" in app.line(1)
        assert app.highlighted[-1] == "e"


async def test_no_color_keeps_the_state_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    model = model_of(pod(1), pod(2, "CrashLoopBackOff"), pod(3, "ContainerCreating"))
    app = TableApp(model)
    async with app.run_test(size=(80, 10)):
        assert [app.line(y)[1] for y in (1, 2, 3)] == ["●", "✗", "◐"]


def _picture() -> RowModel:
    gone = pod(5, name="web-5")
    gone["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:00Z"
    done = pod(6, name="job-6")
    done["status"] = {"phase": "Succeeded"}
    model = model_of(
        pod(1, name="web-1"), pod(2, "CrashLoopBackOff", name="api-2"), pod(3, "ContainerCreating", name="db-3"),
        pod(4, "ImagePullBackOff", name="a-very-long-name-of-a-pod-7d4b9c6f5-x2k9f", namespace="kube-system"),
        gone, done, pod(7, name="café-日本"), pod(8, name="new-8", age=1),
    )  # fmt: skip
    for row in model.rows:
        model.look_at(row)
    model.apply("ADDED", pod(9, name="newer-9", age=0))
    model.apply("MODIFIED", pod(1, "OOMKilled", name="web-1"))
    model.toggle_mark("uid-3")
    return model


async def _settle(pilot: Pilot[None]) -> None:
    await pilot.press("j")
    await pilot.pause()


@pytest.mark.parametrize(
    ("theme", "size"),
    [("k9lite-dark", (80, 24)), ("k9lite-dark", (40, 10)), ("k9lite-paper", (120, 16)), ("k9lite-contrast", (80, 14))],
)
def test_snapshots(snap_compare: Any, theme: str, size: tuple[int, int]) -> None:
    app = TableApp(_picture(), theme)
    app.title = "table"
    assert snap_compare(app, terminal_size=size, run_before=_settle)
