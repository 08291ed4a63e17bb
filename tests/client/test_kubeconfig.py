"""Kubeconfig files: good ones, several, and broken ones."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from pathlib import Path

import pytest

from k9lite.apiserver.certificates import Certificates
from k9lite.client import kubeconfig, tls
from k9lite.client.errors import KubeconfigError
from k9lite.client.kubeconfig import Connection

GOOD = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c1, cluster: {server: "https://one:6443/", certificate-authority-data: %s}}
- {name: c2, cluster: {server: "http://two"}}
contexts:
- {name: one, context: {cluster: c1, user: u1, namespace: shop}}
- {name: two, context: {cluster: c2}}
users:
- {name: u1, user: {token: secret}}
""" % base64.b64encode(b"PEM").decode()  # noqa: UP031 - braces belong to YAML here


def written(directory: Path, text: str, name: str = "config") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_current_context_is_read(tmp_path: Path) -> None:
    connection = kubeconfig.load(written(tmp_path, GOOD))
    assert connection == Connection(
        "https://one:6443", "one", "c1", "u1", "shop", ca=b"PEM", token="secret", directory=tmp_path
    )


def test_another_context_may_be_chosen(tmp_path: Path) -> None:
    connection = kubeconfig.load(written(tmp_path, GOOD), "two")
    assert (connection.server, connection.namespace) == ("http://two", "default")


def test_the_first_of_several_files_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(tmp_path, "current-context: two\nclusters: [{name: c2, cluster: {server: 'http://mine'}}]", "a")
    second = written(tmp_path, GOOD, "b")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, second, tmp_path / "absent"))))
    assert kubeconfig.load().server == "http://mine"
    assert kubeconfig.contexts() == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "context", "words"),
    [
        ("", None, "current-context is not set"),
        (GOOD, "three", 'context "three" does not exist; there is one, two'),
        ("a: [", None, "config:1: invalid YAML"),
        ("- a", None, "must be a mapping"),
        ("current-context: x\ncontexts: [{name: x, context: {cluster: y}}]", None, 'names cluster "y"'),
        (GOOD.replace("http://two", "two"), "two", "has no server that starts with"),
        (GOOD.replace("name: u1", "name: u2"), None, 'names user "u1", which does not exist'),
        (GOOD.replace("UEVN", "'!!!'"), None, "certificate-authority-data is not valid base64"),
    ],
)
def test_broken_files_are_explained(tmp_path: Path, text: str, context: str | None, words: str) -> None:
    with pytest.raises(KubeconfigError) as raised:
        kubeconfig.load(written(tmp_path, text), context)
    assert words in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="absent cannot be read: No such file"):
        kubeconfig.load(tmp_path / "absent")


def test_client_certificates_leave_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = Certificates(tmp_path / "pki")
    path = written(tmp_path, certificates.kubeconfig("https://127.0.0.1:1"))
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(empty))
    context = tls.ssl_context(kubeconfig.load(path))
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert list(empty.iterdir()) == []
