"""ConfigMap, Secret, ServiceAccount: defaults, rules, cells."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.catalog import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from k9lite.api.errors import ApiError
from k9lite.api.meta import prepare_create, prepare_update
from k9lite.api.objects import Obj, copy_of
from k9lite.api.resources import Resource

NOW = "2026-01-02T03:04:05Z"


def made(resource: Resource, **content: Any) -> Obj:
    obj: Obj = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": "x"}, **content}
    prepare_create(resource, obj, NOW)
    return obj


def cells(resource: Resource, obj: Obj) -> list[Any]:
    return [column.cell(obj, 0.0) for column in resource.columns[:-1]]


def refused(resource: Resource, **content: Any) -> str:
    with pytest.raises(ApiError) as caught:
        made(resource, **content)
    assert caught.value.code == 422
    return str(caught.value)


def test_a_secrets_plain_text_becomes_data() -> None:
    secret = made(SECRETS, data={"a": "MQ==", "b": "Mg=="}, stringData={"b": "two", "c": "é"})
    assert secret["data"] == {"a": "MQ==", "b": "dHdv", "c": "w6k="}
    assert "stringData" not in secret
    assert cells(SECRETS, secret) == ["x", "Opaque", 3]
    assert cells(CONFIGMAPS, made(CONFIGMAPS, data={"a": "1"}, binaryData={"b": "Mg=="})) == ["x", 2]
    assert cells(SERVICEACCOUNTS, made(SERVICEACCOUNTS)) == ["x", 0]


@pytest.mark.parametrize(
    ("resource", "content", "words"),
    [
        (CONFIGMAPS, {"data": {"a b": ""}}, 'data[a b]: Invalid value: "a b": a valid config key must consist of'),
        (CONFIGMAPS, {"data": {"..": ""}}, "must not be '..'"),
        (CONFIGMAPS, {"data": {"k": ""}, "binaryData": {"k": ""}}, "duplicate of key present in binaryData"),
        (CONFIGMAPS, {"data": {"k": "x" * (1 << 20) + "x"}}, "Too long: may not be more than 1048576 bytes"),
        (CONFIGMAPS, {"binaryData": {"k": "*"}}, "illegal base64 data"),
        (SECRETS, {"stringData": {"k": "x" * (1 << 20) + "x"}}, "data: Too long: may not be more than 1048576 bytes"),
        (SECRETS, {"type": "kubernetes.io/tls"}, "[data[tls.crt]: Required value, data[tls.key]: Required value]"),
        (SECRETS, {"type": "kubernetes.io/basic-auth"}, "data[username]: Required value"),
        (SECRETS, {"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service"),
    ],
)
def test_what_breaks_a_rule_is_refused(resource: Resource, content: Obj, words: str) -> None:
    assert words in refused(resource, **content)


@pytest.mark.parametrize(
    ("resource", "content", "change", "words"),
    [
        (CONFIGMAPS, {"data": {"a": "1"}, "immutable": True}, {"data": {}}, "data: Forbidden: field is immutable when"),
        (CONFIGMAPS, {"immutable": True}, {"immutable": False}, "immutable: Forbidden: field is immutable when"),
        (SECRETS, {"immutable": True}, {"data": {"a": "MQ=="}}, "data: Forbidden: field is immutable when"),
        (SECRETS, {}, {"type": "mine"}, 'type: Invalid value: "mine": field is immutable'),
    ],
)
def test_what_may_not_change(resource: Resource, content: Obj, change: Obj, words: str) -> None:
    old = made(resource, **content)
    with pytest.raises(ApiError) as caught:
        prepare_update(resource, copy_of(old) | change, old, None)
    assert caught.value.code == 422
    assert words in str(caught.value)
