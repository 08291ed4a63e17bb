"""Which columns fit, and how texts are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from k9lite.tui.views import VIEWS
from k9lite.tui.views.base import NAME, View, ViewColumn
from k9lite.tui.widgets.column_fit import clean, fit, pad, shorten


@pytest.mark.parametrize(
    ("text", "width", "middle", "expected"),
    [
        ("short", 10, False, "short"),
        ("much too long", 8, False, "much to…"),
        ("web-7d4b9c6f5-x2k9f", 14, True, "web-7d4…-x2k9f"),
        ("日本語テキスト", 7, False, "日本語…"),
        ("ab", 1, False, "…"),
        ("ab", 0, False, ""),
    ],
)
def test_shorten(text: str, width: int, middle: bool, expected: str) -> None:
    assert shorten(text, width, middle=middle) == expected


def test_control_characters_never_reach_the_terminal() -> None:
    assert clean("a\x1b[31mb\nc") == "a [31mb c"


@given(text=st.text(), width=st.integers(1, 30), right=st.booleans(), name=st.booleans())
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, width: int, right: bool, name: bool) -> None:
    column = ViewColumn("X", lambda obj, now: "", right=right, style="name" if name else "plain")
    assert cell_len(pad(text, column, width)) == width


@given(view=st.sampled_from(VIEWS), width=st.integers(40, 250), wide=st.booleans(), data=st.data())
def test_columns_fit_any_terminal_and_the_name_stays(
    view: type[View], width: int, wide: bool, data: st.DataObject
) -> None:
    columns = view().shown(wide=wide, namespace=True)
    wanted = [max(len(column.title), data.draw(st.integers(1, 80))) for column in columns]
    fitted = fit(columns, wanted, width, view.stretch)
    assert fitted[-1].start + fitted[-1].width <= width
    assert any(column.column.priority == 0 for column in fitted)
    assert [column.index for column in fitted] == sorted(column.index for column in fitted)


def test_the_least_important_columns_go_first() -> None:
    columns = (NAME, *(ViewColumn(f"C{n}", lambda obj, now: "", priority=n) for n in range(1, 5)))
    fitted = fit(columns, [20, 10, 10, 10, 10], 55, "Name")
    assert [column.column.name for column in fitted] == ["Name", "C1", "C2"]
