"""Where pods' ports are reached, also when someone broke the annotation."""

from __future__ import annotations

import pytest

from k9lite.api.addresses import (
    HOST_PORTS_ANNOTATION,
    PORTS_ANNOTATION,
    backend_address,
    pod_address,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"80": 34567}', 34567),
        ('{"81": 34567}', 80),
        ('{"80": "34567"}', 80),
        ("[80]", 80),
        ("{", 80),
        ("", 80),
    ],
)
def test_a_pods_port_is_its_host_port_where_one_is_recorded(text: str, expected: int) -> None:
    pod = {"metadata": {"annotations": {PORTS_ANNOTATION: text}}, "status": {"podIP": "127.0.0.1"}}
    assert pod_address(pod, 80) == ("127.0.0.1", expected)


def test_a_pod_without_an_address_has_no_host() -> None:
    assert pod_address({"metadata": {}}, 80) == ("", 80)


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"u1": {"80": 34567}}', 34567), ('{"u2": {"80": 34567}}', 80), ('{"u1": 34567}', 80), ("{", 80), ("", 80)],
)
def test_an_endpoints_port_is_its_own_pods_host_port(text: str, expected: int) -> None:
    endpoint_slice = {"metadata": {"annotations": {HOST_PORTS_ANNOTATION: text}}}
    endpoint = {"addresses": ["10.0.0.7"], "targetRef": {"uid": "u1"}}
    assert backend_address(endpoint_slice, endpoint, 80) == ("10.0.0.7", expected)
    assert backend_address(endpoint_slice, {"addresses": []}, 80) == ("", 80)
