"""Themes as files: what is shipped is whole and readable, what is broken is named and left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from k9lite.tui import theming
from tests.tui.rows import TableApp, model_of, pod

SHIPPED = theming.load_themes([theming.shipped_directory()])
NAMES = sorted(SHIPPED.themes)


def test_the_shipped_themes_are_whole() -> None:
    assert SHIPPED.problems == []
    assert theming.DEFAULT_THEME in NAMES
    assert len(NAMES) >= 6
    assert sum(not SHIPPED.themes[name].dark for name in NAMES) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_roles_are_readable_on_their_backgrounds(name: str) -> None:
    theme = SHIPPED.themes[name]
    wanted = 7.0 if "contrast" in name else 4.4
    for role in ("ok", "pending", "error", "added", "modified", "terminating", "marked", "muted", "header", "sorted"):
        for under in (theme.background, theme.variables["role-cursor"]):
            assert under
            least = wanted if under == theme.background else wanted - 1.6
            ratio = _contrast(theme.variables[f"role-{role}"], under)
            assert ratio >= least, f"{role} on {under}: {ratio:.2f}"


def _contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio, 1 to 21."""

    def luminance(text: str) -> float:
        parts = [value / 255 for value in Color.parse(text).rgb]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", [*NAMES, "textual-dark", "nord", "ansi-dark"])
async def test_a_theme_can_be_applied(name: str) -> None:
    app = TableApp(model_of(pod(1)), name)
    async with app.run_test(size=(60, 8)):
        assert app.theme == name
        assert "web" in app.line(1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name: x\ncolors: {primary: blurple}", "colors.primary: 'blurple' is not a colour"),
        ("name: x", "colors.primary: is required"),
        ("colors: {primary: red, primry: red}", "colors.primry: unknown"),
        ("colors: {primary: red}\nroles: {fine: red}", "roles.fine: unknown"),
        ("colors: {primary: red}\nroles: {ok: 12}", "roles.ok: expected a colour in quotes"),
        ("colors: {primary: red}\nvariables: {border: nope}", "variables.border: 'nope' is not a colour"),
        ("colors: {primary: red}\nvariables: [1]", "variables: expected a mapping"),
        ("colors: {primary: red}\ndark: 3", "dark: expected true or false"),
        ("colors: {primary: red}\ntext-alpha: much", "text-alpha: expected a number"),
        ("colors: red", "colors: expected a mapping"),
        ("colour: {primary: red}", "colour: unknown key"),
        ("name: ''\ncolors: {primary: red}", "name: expected a text"),
        ("- a", "expected keys such as name and colors"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_a_broken_file_is_named_and_left_out(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "broken.yaml").write_text(content)
    (tmp_path / "good.yaml").write_text(
        "colors: {primary: '#00ff00'}\nvariables: {border: '#fff 50%', button-focus-text-style: reverse}"
    )
    found = theming.load_themes([tmp_path, tmp_path / "missing"])
    assert list(found.themes) == ["good"]
    assert problem in found.notice
    assert "broken.yaml: " in found.notice


def test_not_text_and_unreadable_files_are_problems_too(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "directory.yaml").mkdir()
    assert len(theming.load_themes([tmp_path]).problems) == 2


async def test_an_edited_file_of_the_theme_in_use_shows_at_once(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("colors: {primary: red}\nroles: {ok: '#010203'}")
    app = TableApp(model_of(pod(1)))
    async with app.run_test(size=(60, 8)) as pilot:
        theming.install(app, tmp_path)
        app.theme = "mine"
        await pilot.pause()
        mine.write_text("colors: {primary: red}\nroles: {ok: '#0a0b0c'}")
        assert theming.install(app, tmp_path).problems == []
        await pilot.pause()
        colors = {
            segment.style.color.name for segment in app.table.render_line(1) if segment.style and segment.style.color
        }
        assert "#0a0b0c" in colors


def test_roles_a_theme_leaves_out_get_the_default(tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text("colors: {primary: red}\nroles: {ok: blue}")
    theme = theming.load_themes([tmp_path]).themes["few"]
    assert isinstance(theme, Theme)
    assert theme.variables["role-ok"] == "blue"
    assert theme.variables["role-error"] == theming.ROLES["error"]
