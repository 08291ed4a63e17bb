"""Which clusters can be opened, and which names mean the own control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from k9lite import contexts
from k9lite.client.errors import KubeconfigError


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(
        "current-context: eu\nclusters: [{name: c, cluster: {server: 'https://eu:6443'}}]\nusers: [{name: u, user: {}}]\n"
        "contexts: [{name: eu, context: {cluster: c, user: u, namespace: shop}}, {name: k9lite, context: {cluster: c}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


def test_the_own_control_plane_comes_first_and_its_name_is_its_own(kubeconfig: Path) -> None:
    own, eu = contexts.listed()
    assert own.name == "k9lite"
    assert (eu.name, eu.server, eu.namespace) == ("eu", "https://eu:6443", "shop")
    assert [each.name for each in contexts.listed(kubeconfig)] == ["eu", "k9lite"]
    assert contexts.is_local(None, None)
    assert contexts.is_local(None, "k9lite")
    assert not contexts.is_local(None, "eu")
    assert not contexts.is_local(kubeconfig, None)


def test_a_broken_kubeconfig_is_told(kubeconfig: Path) -> None:
    kubeconfig.write_text("a: [")
    with pytest.raises(KubeconfigError, match="config:1: invalid YAML"):
        contexts.listed()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prod", True), ("eu-prod-1", True), ("Production", True), ("shop.PROD", True), ("", False), ("k9lite", False),
        ("staging", False), ("nonprod", False), ("eu-non-prod", False), ("preprod", False), ("pre-prod-2", False),
        ("nonprod-to-prod", True),
    ],
)  # fmt: skip
def test_production_is_known_by_its_name(name: str, expected: bool) -> None:
    assert contexts.is_production(name) == expected
