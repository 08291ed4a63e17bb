"""Small objects to create, and any objects there may be."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from k9lite.api.objects import Obj

json_leaves = st.one_of(st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
json_objects = st.recursive(
    st.dictionaries(st.sampled_from("abc"), json_leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(json_leaves, inner), max_size=3),
    max_leaves=8,
)
"""Nested objects of few keys, so that two of them meet in some."""


def deployment(name: str = "web", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
            **spec,
        },
    }


def pod(name: str = "p", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}], **spec}}


def service(name: str = "web", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}}
