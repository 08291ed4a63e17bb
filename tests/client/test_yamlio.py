"""Manifests in, YAML out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from k9lite.client.errors import ManifestError
from k9lite.client.yamlio import dump, parse_manifest, parse_yaml, read_manifests


def test_documents_know_where_they_start() -> None:
    text = (
        "# first\napiVersion: v1\nkind: A\n---\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: B}\n"
    )
    found = parse_manifest(text, "f.yaml")
    assert [(document.obj["kind"], document.where) for document in found] == [("A", "f.yaml:2"), ("B", "f.yaml:6")]


def test_values_are_what_kubernetes_means() -> None:
    parsed = parse_yaml("a: 2024-01-02\nb: 0644\n80: x\nc: yes\nd: '1'\n", "x")
    assert parsed == {"a": "2024-01-02", "b": 420, "80": "x", "c": True, "d": "1"}


def test_merge_keys_are_not_keys_given_twice() -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n"
    assert parse_yaml(text, "x")["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "f:1: invalid YAML"),
        ("a: 1\nb: {\n", "f:2: invalid YAML"),
        ("a:\n\tb: 1", "f:2: invalid YAML"),
        ("kind: A\nkind: B", 'f:2: invalid YAML: key "kind" is given twice'),
        ("apiVersion: v1\n", "f:1: Object 'Kind' is missing"),
        ("\n\nkind: A\n", "f:3: Object 'apiVersion' is missing"),
        ("- a", "f:1: an object must be a mapping with apiVersion and kind, not a list"),
        ("apiVersion: v1\nkind: A\nmetadata: x", "f:1: metadata must be a mapping, not a text"),
        ("!!python/object:os.system {}", "f:1: invalid YAML: could not determine a constructor"),
        ("[" * 3000, "f"),
    ],
)
def test_mistakes_name_file_and_line(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as raised:
        parse_manifest(text, "f")
    assert str(raised.value).startswith(words)


def test_files_directories_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: B\n")
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "A"}')
    (tmp_path / "c.txt").write_text("nothing of ours")
    found = read_manifests([str(tmp_path), "-"], stdin=io.StringIO("apiVersion: v1\nkind: C\n"))
    assert [document.obj["kind"] for document in found] == ["A", "B", "C"]
    with pytest.raises(ManifestError, match='the path "/absent" does not exist'):
        read_manifests(["/absent"])
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"b\.yaml: is not UTF-8 text"):
        read_manifests([str(tmp_path / "b.yaml")])


def test_what_is_printed_reads_back_the_same() -> None:
    obj = {
        "b": ["x", {"y": "1"}],
        "a": {"t": "true", "n": "", "m": "one\ntwo\n", "d": "2026-01-02T03:04:05Z", "f": 1.5},
    }
    text = dump(obj)
    assert parse_yaml(text, "x") == obj
    assert text == (
        'a:\n  d: "2026-01-02T03:04:05Z"\n  f: 1.5\n  m: |\n    one\n    two\n  n: ""\n  t: "true"\nb:\n- x\n- y: "1"\n'
    )
