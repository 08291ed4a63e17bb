"""Our context goes into any kubeconfig, and nothing else changes."""

from __future__ import annotations

import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from k9lite.client.errors import KubeconfigError
from k9lite.client.kubeconfig_merge import marked, merge_file, merged

OURS = marked(
    {
        "clusters": [
            {"name": "k9lite", "cluster": {"server": "https://127.0.0.1:6445", "certificate-authority-data": "Q0E="}}
        ],
        "contexts": [{"name": "k9lite", "context": {"cluster": "k9lite", "user": "k9lite"}}],
        "users": [{"name": "k9lite", "user": {"client-key-data": "S0VZ"}}],
    }
)
THEIRS = """\
# The work cluster. Ask ops before touching it.
apiVersion: v1
kind: Config
clusters:
- cluster:
    server: https://work.example:6443   # behind the VPN
    insecure-skip-tls-verify: true
  name: work
# contexts follow
contexts:
- context: {cluster: work, user: "me"}
  name: work
current-context: work   # keep
preferences: {}
users:
- name: me
  user:
    token: |-
      abc
      def
    # the token ends on Fridays
"""


def check(text: str, *, current: str = "k9lite") -> str:
    """The merged text: ours is in it, theirs is unchanged, and merging again changes nothing."""
    after = merged(text, OURS, "config")
    was: dict[str, Any] = yaml.safe_load(text) or {}
    now = yaml.safe_load(after)
    for section in OURS:
        assert [entry for entry in now[section] if entry["name"] == "k9lite"] == OURS[section]
        others = [entry for entry in was.get(section) or [] if entry["name"] != "k9lite"]
        assert [entry for entry in now[section] if entry["name"] != "k9lite"] == others
    rest = {key: value for key, value in was.items() if key not in OURS and key != "current-context"}
    assert {key: value for key, value in now.items() if key in rest} == rest
    assert now["current-context"] == current
    assert merged(after, OURS, "config") == after
    return after


def test_comments_order_and_quotes_stay() -> None:
    after = check(THEIRS, current="work")
    lines = iter(after.splitlines())
    assert all(line in lines for line in THEIRS.splitlines()), "every line is there, in the same order"


def test_our_entries_are_replaced_where_they_stand() -> None:
    after = check(THEIRS, current="work")
    changed = {section: [dict(entries[0])] for section, entries in OURS.items()}
    changed["clusters"][0]["cluster"] = {**OURS["clusters"][0]["cluster"], "server": "https://127.0.0.1:7777"}
    again = merged(after, changed, "config")
    assert again == after.replace("127.0.0.1:6445", "127.0.0.1:7777")


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "# only a comment\n", "{}", "clusters: []\nusers:\ncontexts: null\n", "current-context: ''\n", "current-context:\n",
        "apiVersion: v1\nkind: Config\ncurrent-context: \"\"\nclusters:\nusers: []\ncontexts: []", "clusters:\n  - name: a\n    cluster: {}",
        "clusters:\n-\n  name: a\n  cluster: {server: x}\n", '{"clusters": [{"name": "a", "cluster": {"server": "x"}}], "users": []}',
        "users: [{name: a, user: {token: t}}]\n", "---\nclusters:\n- name: a\n  cluster: {}\n...\n", "clusters:\n- &c\n  name: a\n  cluster: {}\nextra: *c\n",
        "users:\n- name: a\n  user:\n    token: >\n      x\n\n\n# end",
    ],
)  # fmt: skip
def test_whatever_a_kubeconfig_looks_like(text: str) -> None:
    check(text)


NAMES = st.text(st.sampled_from("abk9é: #-'\"\n"), min_size=1, max_size=6).filter(lambda name: name != "k9lite")
ENTRIES = st.lists(NAMES, max_size=3, unique=True)


@settings(max_examples=40)
@given(ENTRIES, ENTRIES, st.sampled_from([None, True, False]), st.booleans(), st.integers(0, 3))
def test_any_way_of_writing(clusters: list[str], users: list[str], flow: bool | None, ours: bool, indent: int) -> None:
    config = {
        "clusters": [{"name": name, "cluster": {"server": name}} for name in clusters],
        "users": [{"name": name, "user": {"token": name, "exec": {"args": [name, "x"]}}} for name in users],
    }
    if ours:
        config["users"].insert(len(users) // 2, OURS["users"][0])
    check(yaml.safe_dump(config, default_flow_style=flow, indent=indent + 1, allow_unicode=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clusters:\n- name: a\n  cluster: {\nusers: []\n", "config:4: invalid YAML"),
        ("clusters: {}\nusers: 3\n", "clusters must be a list of entries"),
        ("- a\n", "must be a mapping"),
        ("clusters:\n- cluster: {}\n", "clusters must be a list of entries with a name"),
        ("a: 1\n---\nb: 2\n", "more than one YAML document"),
        ("users:\n- name: k9lite\n  user: {token: mine}\n", "has a user 'k9lite' that k9lite did not write"),
        ("a: 1\na: 2\n", 'key "a" is given twice'),
    ],
)
def test_files_that_are_left_alone(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError) as caught:
        merge_file(path, OURS)
    assert message in str(caught.value)
    assert "othing was changed" in str(caught.value)
    assert path.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_what_kubeconfig_prints_is_known_as_ours() -> None:
    plain = {
        section: [{**entry, inner: {key: value for key, value in entry[inner].items() if key != "extensions"}}]
        for (section, (entry,)), inner in zip(OURS.items(), ("cluster", "context", "user"), strict=True)
    }
    check(yaml.safe_dump(plain))


def test_files_are_private_backed_up_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(THEIRS)
    real.chmod(0o644)
    link = tmp_path / "config"
    link.symlink_to(real)
    assert merge_file(link, OURS) is False
    assert link.is_symlink()
    assert (tmp_path / "real.k9lite-backup").read_text() == THEIRS
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config", "real", "real.k9lite-backup"]
    changed = real.stat().st_mtime_ns
    merge_file(link, OURS)
    assert real.stat().st_mtime_ns == changed, "nothing to change is not written"


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    assert merge_file(path, OURS) is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_writer_is_waited_for(tmp_path: Path) -> None:
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    path.write_text(THEIRS)
    lock.touch()
    threading.Timer(0.1, lock.unlink).start()
    assert merge_file(path, OURS) is False


def test_a_lock_that_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k9lite.client.kubeconfig_merge.LOCK_SECONDS", 0.0)
    (tmp_path / "config.lock").touch()
    with pytest.raises(KubeconfigError, match=r"config\.lock exists"):
        merge_file(tmp_path / "config", OURS)
    assert not (tmp_path / "config").exists()
