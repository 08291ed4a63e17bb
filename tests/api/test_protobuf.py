"""Protobuf bodies become the same objects as JSON bodies, whatever clients send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k9lite.api.errors import ApiError
from k9lite.api.protobuf import MAX_DEPTH, decode_body
from k9lite.api.types import table
from tests.support.generated import KINDS, objects, struct
from tests.support.protobuf import encode_body, number_field, tagged, varint


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(objects())
def test_what_is_encoded_is_decoded(obj: dict[str, Any]) -> None:
    assert decode_body(encode_body(obj)) == json.loads(json.dumps(obj))


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_every_kind_is_read(api_version: str, kind: str) -> None:
    """One deep object of each kind, the same in every run."""
    seen: list[dict[str, Any]] = []

    @settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(struct(table()["kinds"][api_version][kind], 7))
    def collect(obj: dict[str, Any]) -> None:
        obj = {"apiVersion": api_version, "kind": kind, **obj}
        assert decode_body(encode_body(obj)) == obj
        seen.append(obj)

    collect()
    assert seen


# `kubectl create deployment web --image=nginx --replicas=0`, written out by hand from the numbers of generated.proto.
CONTAINER = (
    tagged(1, b"nginx") + tagged(2, b"nginx") + tagged(5, b"") + tagged(8, b"") + tagged(13, b"") + tagged(14, b"")
    + number_field(16, 0) + number_field(17, 0) + number_field(18, 0) + tagged(20, b"")
)  # fmt: skip
POD_SPEC = tagged(2, CONTAINER) + tagged(3, b"") + tagged(6, b"") + number_field(11, 0) + tagged(16, b"")
LABELS = tagged(1, b"app") + tagged(2, b"web")
METADATA = tagged(1, b"web") + tagged(2, b"") + tagged(3, b"") + tagged(5, b"") + number_field(7, 0) + tagged(8, b"")
TEMPLATE = tagged(1, tagged(1, b"") + tagged(8, b"") + tagged(11, LABELS)) + tagged(2, POD_SPEC)
SPEC = (
    number_field(1, 0) + tagged(2, tagged(1, LABELS)) + tagged(3, TEMPLATE) + tagged(4, tagged(1, b""))
    + number_field(5, 0) + number_field(7, 0)
)  # fmt: skip
DEPLOYMENT = tagged(1, METADATA + tagged(11, LABELS)) + tagged(2, SPEC) + tagged(3, number_field(1, 0))
ABOUT = tagged(1, tagged(1, b"apps/v1") + tagged(2, b"Deployment"))
BODY = b"k8s\x00" + ABOUT + tagged(2, DEPLOYMENT) + tagged(3, b"") + tagged(4, b"")


def test_what_kubectl_sends() -> None:
    assert decode_body(BODY) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    }


def refusal(body: bytes) -> int:
    """The code that a body is refused with, 200 if it is not. Any other exception is a failure."""
    try:
        json.dumps(decode_body(body), allow_nan=False)
    except ApiError as error:
        return error.code
    return 200


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bodies_are_refused_or_read_but_break_nothing(data: st.DataObject) -> None:
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(["set", "insert", "cut"]))
        byte = data.draw(st.integers(0, 255))
        if change == "set":
            body[at] = byte
        elif change == "insert":
            body.insert(at, byte)
        else:
            del body[max(at, 1) :]
    assert refusal(bytes(body)) in (200, 400, 415)


@given(st.binary(max_size=200))
def test_junk_is_refused_or_read(junk: bytes) -> None:
    assert refusal(b"k8s\x00" + junk) in (400, 415)
    assert refusal(b"k8s\x00" + ABOUT + tagged(2, junk)) in (200, 400)


def test_every_cut_is_refused() -> None:
    """A length tells what follows: no part of a body is taken for the whole, save the envelope without a message."""
    whole = len(BODY) - 4  # the two empty fields at the end say nothing
    read = [length for length in range(whole) if refusal(BODY[:length]) == 200]
    assert read == [len(b"k8s\x00" + ABOUT)]


def body_of(api_version: bytes, kind: bytes, message: bytes) -> bytes:
    return b"k8s\x00" + tagged(1, tagged(1, api_version) + tagged(2, kind)) + tagged(2, message)


def nested_schema(depth: int) -> bytes:
    schema = b""
    for _ in range(depth):
        schema = tagged(28, schema)  # not
    version = tagged(1, b"v1") + tagged(4, tagged(1, schema))
    return body_of(b"apiextensions.k8s.io/v1", b"CustomResourceDefinition", tagged(2, tagged(7, version)))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"k8s\x00", 415, 'kind ""'),
        (b"{}", 400, "expected prefix"),
        (body_of(b"v1", b"Nonsense", b""), 415, 'kind "Nonsense" in version "v1"'),
        (body_of(b"v1", b"Pod", varint(1 << 3 | 2) + varint(2**63) + b"x"), 400, "unexpected end"),
        (body_of(b"v1", b"Pod", varint(1 << 3 | 3)), 400, "illegal wire type 3"),
        (body_of(b"v1", b"Pod", b"\x02"), 400, "illegal field number 0"),
        (body_of(b"v1", b"Pod", b"\xff" * 11), 400, "longer than 64 bits"),
        (body_of(b"v1", b"Pod", number_field(1, 5)), 400, "wrong wire type 0 for field metadata"),
        (body_of(b"v1", b"Pod", tagged(1, tagged(1, b"\xff"))), 400, "not UTF-8"),
        (body_of(b"v1", b"Pod", tagged(1, tagged(8, number_field(1, 2**62)))), 400, "outside the years"),
        (body_of(b"apps/v1", b"ControllerRevision", tagged(2, tagged(1, b"{"))), 400, "embedded JSON"),
        (nested_schema(10_000), 400, f"more than {MAX_DEPTH} messages"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
def test_lies_are_named(body: bytes, code: int, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode_body(body)
    assert caught.value.code == code
    assert words in caught.value.message


def test_unknown_fields_and_packed_numbers_are_read() -> None:
    group = tagged(4, varint(3) + varint(2**64 - 1))  # supplementalGroups, packed
    pod = body_of(b"v1", b"Pod", tagged(2, tagged(14, group)) + tagged(999, b"?") + number_field(998, 1))
    assert decode_body(pod) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"securityContext": {"supplementalGroups": [3, -1]}},
    }
