"""The rows of a table, without a screen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k9lite.api.objects import Obj
from k9lite.tui.filters import FilterError
from k9lite.tui.model import FLASH_SECONDS, RowModel
from k9lite.tui.views import PodsView
from tests.tui.rows import NOW, Moment, model_of, names, pod

STATUSES = ["Running", "CrashLoopBackOff", "ContainerCreating", "ImagePullBackOff"]


@st.composite
def _pods(draw: st.DrawFn) -> Obj:
    number = draw(st.integers(0, 7))
    return pod(
        number,
        draw(st.sampled_from(STATUSES)),
        namespace=draw(st.sampled_from(["a", "b"])),
        name=draw(st.sampled_from(["x", "y-2", "y-10", "zürich"])),
        age=draw(st.sampled_from([0, 30, 4000])),
    )


_EVENTS = st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED", "look", "relist"]), _pods()), max_size=30)
_SETUPS = st.tuples(
    st.sampled_from(["", "web", "!y", "-f y0", "y-2|Crash", "^x$"]),
    st.sampled_from(["Name", "Status", "Age", "Namespace", "Restarts", "IP"]),
    st.booleans(),
    st.booleans(),
)


def _configured(model: RowModel, setup: tuple[str, str, bool, bool]) -> RowModel:
    text, column, reverse, faults = setup
    model.set_filter(text)
    model.set_sort(column, reverse)
    model.set_faults_only(faults)
    return model


@settings(max_examples=150)
@given(events=_EVENTS, setup=_SETUPS, late=st.booleans())
def test_any_events_give_the_rows_of_a_fresh_list(
    events: list[tuple[str, Obj]], setup: tuple[str, str, bool, bool], late: bool
) -> None:
    model, truth = RowModel(PodsView(), lambda: NOW), dict[str, Obj]()
    if not late:
        _configured(model, setup)
    for kind, obj in events:
        uid = obj["metadata"]["uid"]
        if kind == "look":
            for row in model.rows:
                model.look_at(row)
            model.take_dirty()
        elif kind == "relist":
            truth = {uid: obj} | {other: truth[other] for other in list(truth)[:3]}
            model.replace(truth.values())
        elif kind == "DELETED":
            truth.pop(uid, None)
            model.apply(kind, obj)
        else:
            truth[uid] = obj
            model.apply(kind, obj)
    if late:
        _configured(model, setup)
    fresh = _configured(RowModel(PodsView(), lambda: NOW), setup)
    fresh.replace(truth.values())
    assert [model.look_at(row).cells for row in model.rows] == [fresh.look_at(row).cells for row in fresh.rows]
    assert [(row.uid, row.role) for row in model.rows] == [(row.uid, row.role) for row in fresh.rows]
    assert len(model) == len(truth)


def test_rows_are_sorted_by_name_and_keep_their_list_while_the_order_stays() -> None:
    model = model_of(pod(2, name="b"), pod(1, name="a"))
    rows = model.rows
    model.apply("MODIFIED", pod(1, "CrashLoopBackOff", name="a"))
    assert names(model) == ["a", "b"]
    assert model.rows is rows


def test_a_change_of_an_unseen_row_computes_no_cells() -> None:
    model = model_of(*(pod(number) for number in range(5)))
    model.apply("MODIFIED", pod(3, "CrashLoopBackOff"))
    assert all(row.cells == () for row in model.rows)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ["api", "db-1", "web"]),
        ("/web", ["web"]),
        ("WEB", ["web"]),
        ("!web", ["api", "db-1"]),
        ("/!web|api", ["db-1"]),
        ("^db-\\d$", ["db-1"]),
        ("crash", ["db-1"]),
        ("-f d1", ["db-1"]),
        ("-l tier=front", ["web"]),
        ("-l tier!=front", ["api", "db-1"]),
        ("-l ", ["api", "db-1", "web"]),
        ("no such", []),
        ("60m", []),
    ],
)
def test_filters(text: str, shown: list[str]) -> None:
    model = model_of(pod(1, name="web", tier="front"), pod(2, name="api"), pod(3, "CrashLoopBackOff", name="db-1"))
    model.set_filter(text)
    assert names(model) == shown


@pytest.mark.parametrize("text", ["(", "!*", "-l a in b", "-l ==x"])
def test_a_filter_that_cannot_be_understood_changes_nothing(text: str) -> None:
    model = model_of(pod(1, name="web"), pod(2, name="api"))
    model.set_filter("web")
    with pytest.raises(FilterError, match="filter"):
        model.set_filter(text)
    assert names(model) == ["web"]
    assert model.filter_text == "web"


def test_a_filter_survives_a_relist_and_follows_changes() -> None:
    model = model_of(pod(1, name="web"), pod(2, name="api"))
    model.set_filter("crash")
    model.apply("MODIFIED", pod(2, "CrashLoopBackOff", name="api"))
    assert names(model) == ["api"]
    model.replace([pod(1, "CrashLoopBackOff", name="web"), pod(2, name="api")])
    assert names(model) == ["web"]


def test_sorting_by_numbers_age_and_back() -> None:
    old, young = pod(1, name="a", age=9000), pod(2, name="b", age=10)
    young["status"]["containerStatuses"][0]["restartCount"] = 10
    old["status"]["containerStatuses"][0]["restartCount"] = 9
    model = model_of(old, young)
    model.set_sort("age", reverse=True)
    assert names(model) == ["b", "a"]
    model.set_sort("Restarts")
    assert names(model) == ["a", "b"]
    model.set_sort("no such column")
    assert model.sort == ("Restarts", False)


def test_equal_keys_stay_by_name_in_both_directions() -> None:
    model = model_of(*(pod(number) for number in (3, 1, 2)))
    expected = [f"web-7d4b9c6f5-0000{number}" for number in (1, 2, 3)]
    for reverse in (False, True):
        model.set_sort("Status", reverse)
        assert names(model) == expected


def test_marks_hold_hidden_rows_and_leave_with_the_object() -> None:
    model = model_of(pod(1, name="web"), pod(2, name="api"))
    for number in (1, 2):
        model.toggle_mark(f"uid-{number}")
    model.set_filter("web")
    assert [obj["metadata"]["name"] for obj in model.marked] == ["web", "api"]
    model.apply("DELETED", pod(2, name="api"))
    assert model.marks == {"uid-1"}
    model.replace([pod(1, name="web"), pod(3)])
    assert model.marks == {"uid-1"}
    model.clear_marks()
    assert model.marked == []


def test_scope_and_faults_narrow_the_rows() -> None:
    model = model_of(pod(1, name="web"), pod(2, "CrashLoopBackOff", name="api"), pod(3, name="db"))
    model.scope(lambda obj: obj["metadata"]["name"] != "db")
    assert names(model) == ["api", "web"]
    model.set_faults_only(True)
    assert names(model) == ["api"]
    model.scope(None)
    model.set_faults_only(False)
    assert len(model.rows) == 3


def test_a_changed_cell_is_highlighted_for_a_while() -> None:
    clock = Moment()
    model = model_of(pod(1), clock=clock)
    row = model.look_at(model.rows[0])
    model.take_dirty()
    model.apply("MODIFIED", pod(1, "CrashLoopBackOff"))
    assert {model.columns[index].name for index in row.changed} == {"Ready", "Status"}
    assert model.take_dirty() == {"uid-1"}
    clock.now += FLASH_SECONDS
    assert model.take_dirty() == {"uid-1"}
    assert row.changed == frozenset()
    assert model.take_dirty() == set()


def test_only_fresh_objects_are_highlighted_as_new() -> None:
    model = model_of(pod(1))
    model.apply("ADDED", pod(2, age=1))
    model.apply("ADDED", pod(3, age=100))
    assert [row.added for row in model.rows] == [False, True, False]


def test_time_alone_refreshes_ages_without_highlight() -> None:
    clock = Moment()
    model = model_of(pod(1, age=30), clock=clock)
    row = model.look_at(model.rows[0])
    assert row.cells[-1] == "30s"
    model.take_dirty()
    clock.now += 5
    model.tick([row])
    assert row.cells[-1] == "35s"
    assert row.changed == frozenset()
    assert model.take_dirty() == {"uid-1"}


def test_an_object_that_comes_back_is_drawn_anew() -> None:
    model = model_of(pod(1))
    version = model.rows[0].version
    model.apply("DELETED", pod(1))
    model.apply("ADDED", pod(1, "CrashLoopBackOff"))
    assert model.rows[0].version != version


def test_wide_and_namespace_change_the_columns() -> None:
    model = model_of(pod(1))
    layout = model.layout
    model.set_wide(True)
    assert "Image" in [column.name for column in model.columns]
    model.set_show_namespace(False)
    assert "Namespace" not in [column.name for column in model.columns]
    assert model.layout == layout + 2
    assert len(model.look_at(model.rows[0]).cells) == len(model.columns)


def test_csv_has_the_visible_rows() -> None:
    model = model_of(pod(1, name="web"), pod(2, name='a,"b'))
    model.set_show_namespace(False)
    lines = model.to_csv().splitlines()
    assert lines[0].startswith("Name,Ready,Status")
    assert lines[1].startswith('"a,""b",1/1,Running')
    assert len(lines) == 3


def test_rows_that_are_gone_are_left_alone_when_the_columns_change() -> None:
    moment = Moment()
    model = model_of(pod(1), clock=moment)
    painted = [model.look_at(row) for row in model.rows]
    model.replace(())
    model.set_show_namespace(False)
    moment.now += 60
    model.tick(painted)
    assert not model.take_dirty()
