"""Puts k9lite's context into a kubeconfig that others own too, and leaves everything else as it is.

    read -> check -> splice our entries into the text -> does it parse to what was meant? -> lock, back up, replace

Text is spliced, so that comments, order and quoting stay; where a file is written in a way that cannot be spliced
(JSON, flow style) it is written anew from its data. Our entries carry an extension by which they are known again;
entries of the same name without it are somebody else's, and the merge is refused.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k9lite.client.errors import KubeconfigError
from k9lite.client.yamlio import parse_yaml

NAME = "k9lite"
EXTENSION = "k9lite.io"
SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
LOCK_SECONDS = 3.0
Config = dict[str, Any]


def marked(config: Config) -> Config:
    """Our kubeconfig with the extension in each entry."""
    mark = [{"name": EXTENSION, "extension": {"provider": NAME}}]
    return {
        section: [{**entry, inner: {**entry[inner], "extensions": mark}} for entry in config[section]]
        for section, inner in SECTIONS.items()
    }


def merge_file(path: Path, ours: Config) -> bool:
    """Merge into a file, made if absent; returns whether its current-context is ours. Raises KubeconfigError.

    The content before is kept beside it as NAME.k9lite-backup; both are 0600.
    """
    target = path.resolve()  # a link stays a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(target):
            before = target.read_text(encoding="utf-8") if target.exists() else ""
            after = merged(before, ours, str(path))
            if after != before:
                _replace(target, before, after)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubeconfigError(f"kubeconfig {path} cannot be changed: {reason}; nothing was changed") from error
    return bool(_parsed(after, str(path)).get("current-context") == NAME)


def merged(text: str, ours: Config, where: str) -> str:
    """The text of a kubeconfig with our entries in it. Raises KubeconfigError with file and line."""
    config = _parsed(text, where)
    _refuse_others(config, ours, where)
    ours = _keeping_namespace(config, ours)
    wanted = _data(config, ours)
    if wanted == config:
        return text
    spliced = _spliced(text, config, ours) if text.strip() else None
    if spliced is not None:
        with contextlib.suppress(KubeconfigError):
            if _parsed(spliced, where) == wanted:
                return spliced
    return _dump(wanted)


def _parsed(text: str, where: str) -> Config:
    """The checked content. Raises KubeconfigError."""
    import yaml

    try:
        config = parse_yaml(text, where)
    except Exception as error:
        raise KubeconfigError(f"{error}; repair the file first, nothing was changed") from error
    if sum(isinstance(event, yaml.DocumentStartEvent) for event in yaml.parse(text, yaml.SafeLoader)) > 1:
        raise KubeconfigError(
            f"{where} holds more than one YAML document, which no kubeconfig may; nothing was changed"
        )
    config = {} if config is None else config
    if not isinstance(config, dict):
        raise KubeconfigError(f"{where} must be a mapping with clusters, contexts and users; nothing was changed")
    for section in SECTIONS:
        entries = config.get(section)
        if entries is None:
            continue
        if not isinstance(entries, list) or not all(isinstance(entry, dict) and "name" in entry for entry in entries):
            raise KubeconfigError(f"{where}: {section} must be a list of entries with a name; nothing was changed")
    return config


def _refuse_others(config: Config, ours: Config, where: str) -> None:
    for section, inner in SECTIONS.items():
        for entry in config.get(section) or []:
            if entry["name"] == NAME and not _is_ours(entry, inner, ours[section][0]):
                what = f"{section[:-1]} {NAME!r}"
                raise KubeconfigError(
                    f"{where} has a {what} that k9lite did not write. Rename it there, or write to another file: "
                    f"KUBECONFIG=FILE k9lite kubeconfig --merge; nothing was changed"
                )


def _is_ours(entry: Config, inner: str, own: Config) -> bool:
    content = entry.get(inner)
    if not isinstance(content, dict):
        return False
    names = [each.get("name") for each in content.get("extensions") or [] if isinstance(each, dict)]
    plain = {key: value for key, value in own[inner].items() if key != "extensions"}
    return EXTENSION in names or content == plain  # as `k9lite kubeconfig` prints it


def _keeping_namespace(config: Config, ours: Config) -> Config:
    """The namespace that the user chose for our context is his."""
    (own,) = ours["contexts"]
    found: Config = next((entry["context"] for entry in config.get("contexts") or [] if entry["name"] == NAME), {})
    if not found.get("namespace"):
        return ours
    return {**ours, "contexts": [{**own, "context": {**own["context"], "namespace": found["namespace"]}}]}


def _data(config: Config, ours: Config) -> Config:
    """The content as it shall be."""
    wanted = {**({} if config else {"apiVersion": "v1", "kind": "Config"}), **config}
    for section in SECTIONS:
        (own,) = ours[section]
        entries = list(config.get(section) or [])
        places = [index for index, entry in enumerate(entries) if entry["name"] == NAME]
        if places:
            entries[places[0]] = own
            entries = [entry for index, entry in enumerate(entries) if index not in places[1:]]
        else:
            entries.append(own)
        wanted[section] = entries
    if not config.get("current-context"):
        wanted["current-context"] = NAME
    return wanted


# Text ------------------------------------------------------------------------------------------------
def _spliced(text: str, config: Config, ours: Config) -> str | None:
    """The text with our entries put in; None where it is written in a way that this does not know."""
    for section in SECTIONS:
        changed = _splice_section(text, section, ours[section][0], empty=not config.get(section))
        if changed is None:
            return None
        text = changed
    if not config.get("current-context"):
        return _splice_value(text, "current-context", f"current-context: {NAME}")
    return text


def _root_value(text: str, key: str) -> tuple[Any, Any] | None:
    """The nodes of a key and its value at the top; None where there is none. Raises ValueError for other styles."""
    import yaml

    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:  # something was put after the document's end
        raise ValueError from error
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError("not a block mapping")
    return next((pair for pair in root.value if pair[0].value == key), None)


def _splice_value(text: str, key: str, line: str) -> str | None:
    """A whole `key: value`, in the place of the one that is there or at the end."""
    try:
        pair = _root_value(text, key)
    except ValueError:
        return None
    if pair is None:
        return f"{_ended(text)}{line.rstrip()}\n"
    start, end = pair[0].start_mark.index, max(pair[0].end_mark.index + 1, pair[1].end_mark.index)
    return text[:start] + line.rstrip() + text[end:]


def _splice_section(text: str, section: str, own: Config, *, empty: bool) -> str | None:
    try:
        pair = _root_value(text, section)
    except ValueError:
        return None
    if pair is None or empty:
        return _splice_value(text, section, f"{section}:\n{_dump([own])}")
    value = pair[1]
    if value.flow_style:
        return None
    lines = text.splitlines(keepends=True)
    indent = " " * value.start_mark.column
    new = [f"{indent}{line}\n" for line in _dump([own]).splitlines()]
    for index, node in enumerate(value.value):
        first, last = node.start_mark.line, _last_line(node)
        if _name_of(node) == NAME:
            return "".join([*lines[:first], *new, *lines[last + 1 :]])
        if index == len(value.value) - 1:
            return "".join([*lines[:last], _ended(lines[last]), *new, *lines[last + 1 :]])
    return None


def _name_of(node: Any) -> str:
    return next((str(item.value) for key, item in node.value if key.value == "name"), "")


def _last_line(node: Any) -> int:
    """The last line with content of a node: its own end mark stands after the comments that follow."""
    children = [child for each in node.value for child in (each if isinstance(each, tuple) else (each,))]
    if isinstance(node.value, str) or not children or node.flow_style:
        mark = node.end_mark
        return int(mark.line if mark.column else max(node.start_mark.line, mark.line - 1))
    return max(_last_line(child) for child in children)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _dump(content: Any) -> str:
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1 << 20))


# Files -----------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """kubectl's own lock: FILE.lock, made and removed. Raises KubeconfigError when another holds on to it."""
    lock, end = target.with_name(target.name + ".lock"), time.monotonic() + LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError as error:
            if time.monotonic() >= end:
                why = f"{lock} exists: another program is changing the file, or one ended while it did; remove it then"
                raise KubeconfigError(f"{why}. Nothing was changed") from error
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _replace(target: Path, before: str, after: str) -> None:
    if before:
        _write(target.with_name(target.name + ".k9lite-backup"), before, None)
    _write(target, after, target.stat() if target.exists() else None)


def _write(path: Path, text: str, owner: os.stat_result | None) -> None:
    """Whole or not at all, 0600, for the owner that it had."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if owner is not None and (owner.st_uid, owner.st_gid) != (os.getuid(), os.getgid()):
            os.chown(temporary, owner.st_uid, owner.st_gid)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
