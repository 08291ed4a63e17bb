"""YAML in and out, as Kubernetes means it: strings stay strings, keys are strings, errors name file and line.

PyYAML is imported on first use. Dates are not converted, keys given twice are refused, other types resolve as in
YAML 1.1, which is what sigs.k8s.io/yaml reads too.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k9lite.api.objects import Obj
from k9lite.client.errors import ManifestError

MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file, and where it starts."""

    obj: Obj
    source: str
    line: int

    @property
    def where(self) -> str:
        return f"{self.source}:{self.line}"


@functools.cache
def _loader() -> type[Any]:
    """A loader that keeps line numbers of problems and Kubernetes' idea of types."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class ManifestLoader(base):  # type: ignore[misc]
        pass

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:  # before `<<` adds keys that may be overridden
            if isinstance(key_node, yaml.ScalarNode) and key_node.value in seen:
                problem = f'key "{key_node.value}" is given twice'
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(str(key_node.value))
        loader.flatten_mapping(node)
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            text = str(key).lower() if isinstance(key, bool) else str(key)
            made[text] = loader.construct_object(value_node, deep=True)
        return made

    ManifestLoader.add_constructor("tag:yaml.org,2002:map", mapping)
    ManifestLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
    ManifestLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    return ManifestLoader


def _nodes(text: str, source: str) -> Iterator[tuple[Any, int]]:
    """(value, line) of every document. Raises ManifestError with file and line."""
    import yaml

    try:
        loader = _loader()(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                yield loader.construct_document(node), node.start_mark.line + 1
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = text.count("\n") + (not text.endswith("\n"))
        at = f"{source}:{min(mark.line + 1, last)}" if mark else source
        raise ManifestError(f"{at}: invalid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: invalid YAML: {error}") from error
    except RecursionError as error:
        raise ManifestError(f"{source}: nested too deeply") from error


def parse_yaml(text: str, source: str) -> Any:
    """The first document, None for an empty text. Raises ManifestError."""
    return next((value for value, _ in _nodes(text, source)), None)


def parse_manifest(text: str, source: str) -> list[Document]:
    """The objects of a text, `List`s unfolded, empty documents left out. Raises ManifestError."""
    found: list[Document] = []
    for value, line in _nodes(text, source):
        if value is None:
            continue
        found += _objects(value, source, line)
    return found


def _objects(value: Any, source: str, line: int) -> Iterator[Document]:
    at = f"{source}:{line}"
    if not isinstance(value, dict):
        raise ManifestError(f"{at}: an object must be a mapping with apiVersion and kind, not {_kind_of(value)}")
    for key, word in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not isinstance(value.get(key), str) or not value[key]:
            raise ManifestError(f"{at}: Object '{word}' is missing")
    if str(value["kind"]).endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            yield from _objects(item, source, line)
        return
    metadata = value.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise ManifestError(f"{at}: metadata must be a mapping, not {_kind_of(metadata)}")
    yield Document(value, source, line)


def _kind_of(value: Any) -> str:
    return {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a boolean"}.get(
        type(value), "empty"
    )


def read_manifests(names: Iterable[str], *, recursive: bool = False, stdin: Any = None) -> list[Document]:
    """The objects of files, directories and `-` (standard input), in order. Raises ManifestError."""
    found: list[Document] = []
    for name in names:
        if name == "-":
            found += parse_manifest((stdin or sys.stdin).read(), "standard input")
            continue
        for path in _files(Path(name), recursive):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise ManifestError(f"{path}: is not UTF-8 text") from error
            except OSError as error:
                raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
            found += parse_manifest(text, str(path))
    return found


def _files(path: Path, recursive: bool) -> list[Path]:
    if not path.exists():
        raise ManifestError(f'the path "{path}" does not exist')
    if not path.is_dir():
        return [path]
    pattern = "**/*" if recursive else "*"
    files = sorted(each for each in path.glob(pattern) if each.suffix in MANIFEST_SUFFIXES and each.is_file())
    if not files:
        raise ManifestError(f"{path}: the directory holds no {', '.join(MANIFEST_SUFFIXES)} file")
    return files


@functools.cache
def _dumper() -> type[Any]:
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class ManifestDumper(base):  # type: ignore[misc]
        def ignore_aliases(self, _: Any) -> bool:
            return True

    tag = "tag:yaml.org,2002:str"

    def text(dumper: Any, value: str) -> Any:
        style = None
        if "\n" in value and not any(line.endswith(" ") for line in value.split("\n")):
            style = "|"
        elif dumper.resolve(yaml.ScalarNode, value, (True, False)) != tag:
            style = '"'  # what would read back as a number, a date or a boolean
        return dumper.represent_scalar(tag, value, style=style)

    ManifestDumper.add_representer(str, text)
    return ManifestDumper


def dump(obj: Any) -> str:
    """YAML as kubectl prints it: keys sorted, block style, lists not indented."""
    import yaml

    rendered: str = yaml.dump(
        obj, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, width=1 << 30, sort_keys=True
    )
    return rendered
