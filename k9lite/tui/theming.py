"""Colour themes: YAML files that map roles and Textual's theme variables to colours.

    name: k9lite-dark            the name people choose it by
    dark: true
    colors:                      Textual's own: primary (required), secondary, accent, background, surface...
      primary: "#7aa2f7"
    roles:                       see ROLES; what is missing gets the default
      ok: "#9ece6a"
    variables:                   further Textual theme variables, as they are (footer-key-foreground: ...)

A broken file never reaches the app: an invalid colour would end it when the theme is applied. All that is
wrong is collected, with file and key, for one notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from textual.app import App
from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT_THEME = "k9lite-dark"

ROLES: Mapping[str, str] = {
    "ok": "#8fce8a", "pending": "#e5c07b", "completed": "#7f8796", "error": "#f2777a", "added": "#7fd1e0",
    "modified": "#f0c674", "deleted": "#a1565a", "terminating": "#a58fc9", "marked": "#f5a97f", "muted": "#8b93a3",
    "stale": "#5d6472", "header": "#9aa3b5", "sorted": "#8ab4f8", "cursor": "#2b3548", "cursor-blurred": "#1f2632",
    "threshold-warn": "#e5c07b", "threshold-critical": "#f2777a",
}  # fmt: skip
"""Role names and their colours where a theme says nothing. A role is the variable `$role-NAME` in TCSS."""

_COLORS = ("primary", "secondary", "accent", "warning", "error", "success", "foreground", "background", "surface",
           "panel", "boost")  # fmt: skip
_NUMBERS = ("luminosity-spread", "text-alpha")
_KEYS = frozenset(("name", "dark", "ansi", "colors", "roles", "variables", *_NUMBERS))
_NOT_COLORS = ("text-style", "opacity", "-style", "scrollbar-size")


@dataclass(frozen=True, slots=True)
class Themes:
    """What was read: themes by name, and what was wrong with files that were left out."""

    themes: dict[str, Theme] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def notice(self) -> str:
        """One text for all problems, empty without any."""
        if not self.problems:
            return ""
        return "Themes left out:\n" + "\n".join(f"  {problem}" for problem in self.problems)


def role_defaults() -> dict[str, str]:
    """For `App.get_theme_variable_defaults`: themes that know nothing of roles work too."""
    return {f"role-{name}": color for name, color in ROLES.items()}


def shipped_directory() -> Path:
    """In an installed package beside the code, in a checkout at the top."""
    inside = Path(str(resources.files("k9lite") / "themes"))
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "themes"


def load_themes(directories: Iterable[Path]) -> Themes:
    """Read `*.yaml` and `*.yml` of the directories, in order; a later theme replaces one of the same name."""
    found = Themes()
    for directory in directories:
        if not directory.is_dir():
            continue
        for path in sorted((*directory.glob("*.yaml"), *directory.glob("*.yml"))):
            try:
                theme, problems = read_theme(path)
            except OSError as error:
                theme, problems = None, [f"{path.name}: {error.strerror or error}"]
            found.problems.extend(problems)
            if theme:
                found.themes[theme.name] = theme
    return found


def install(app: App[Any], user_directory: Path | None = None) -> Themes:
    """Register shipped and the user's themes with the app; the one in use is shown anew if its file changed."""
    directories = [shipped_directory(), *([user_directory] if user_directory else [])]
    found = load_themes(directories)
    for theme in found.themes.values():
        in_use = app.theme == theme.name and app.get_theme(theme.name) != theme
        app.register_theme(theme)
        if in_use:
            app.refresh_css()
    return found


def read_theme(path: Path) -> tuple[Theme | None, list[str]]:
    """One file: the theme, or None and all that is wrong with it. Raises OSError."""
    import yaml  # only where themes are read: it costs start-up time elsewhere

    try:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, before the first paint
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [f"{path.name}: not readable as YAML: {' '.join(str(error).split())}"]
    if not isinstance(content, dict):
        return None, [f"{path.name}: expected keys such as name and colors"]
    problems = [f"{path.name}: {problem}" for problem in _problems(content)]
    return (None, problems) if problems else (_theme(path, content), [])


def _problems(content: dict[str, Any]) -> list[str]:
    problems = [f"{key}: unknown key; known are {', '.join(sorted(_KEYS))}" for key in content if key not in _KEYS]
    problems += [f"{key}: expected true or false" for key in ("dark", "ansi") if not _is_bool(content.get(key))]
    problems += [f"{key}: expected a number" for key in _NUMBERS if not _is_number(content.get(key))]
    if "name" in content and not (isinstance(content["name"], str) and content["name"].strip()):
        problems.append("name: expected a text")
    for section, known in (("colors", _COLORS), ("roles", tuple(ROLES)), ("variables", None)):
        problems += _section_problems(section, content.get(section) or {}, known)
    if isinstance(content.get("colors") or {}, dict) and "primary" not in (content.get("colors") or {}):
        problems.append("colors.primary: is required")
    return problems


def _section_problems(section: str, values: Any, known: tuple[str, ...] | None) -> list[str]:
    if not isinstance(values, dict):
        return [f"{section}: expected a mapping of names to colours"]
    problems = []
    for key, value in values.items():
        at = f"{section}.{key}"
        if known is not None and key not in known:
            problems.append(f"{at}: unknown; known are {', '.join(known)}")
        elif not isinstance(value, str):
            problems.append(f"{at}: expected a colour in quotes, not {value!r}")
        elif _is_color(section, str(key)) and not _parses(value):
            problems.append(f"{at}: {value!r} is not a colour")
    return problems


def _is_color(section: str, key: str) -> bool:
    return section != "variables" or not any(part in key for part in _NOT_COLORS)


def _parses(value: str) -> bool:
    color, _, percent = value.rpartition(" ") if value.endswith("%") else (value, "", "")
    try:
        Color.parse(color or value)
        if percent:
            float(percent.removesuffix("%"))
    except (ColorParseError, ValueError):
        return False
    return True


def _is_bool(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _theme(path: Path, content: dict[str, Any]) -> Theme:
    colors = content.get("colors") or {}
    roles = {f"role-{name}": color for name, color in (content.get("roles") or {}).items()}
    return Theme(
        name=str(content.get("name") or path.stem).strip(),
        dark=content.get("dark", True) is not False,
        ansi=bool(content.get("ansi")),
        variables={**role_defaults(), **roles, **(content.get("variables") or {})},
        luminosity_spread=float(content.get("luminosity-spread") or 0.15),
        text_alpha=float(content.get("text-alpha") or 0.95),
        **colors,
    )
