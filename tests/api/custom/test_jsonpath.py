from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.custom import jsonpath

OBJ: dict[str, Any] = {
    "metadata": {"labels": {"app.kubernetes.io/name": "x"}},
    "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 443}], "on": True},
    "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Done", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.on", [True]),
        (".spec.absent.deeper", []),
        (".spec.ports[0].name", ["a"]),
        (".spec.ports[-1].port", [443]),
        (".spec.ports[7].port", []),
        (".spec.ports[*].name", ["a", "b"]),
        (".spec.ports[0:1].name", ["a"]),
        (".metadata.labels['app.kubernetes.io/name']", ["x"]),
        (r".metadata.labels.app\.kubernetes\.io/name", []),
        (r".metadata.labels['app\.kubernetes\.io/name']", ["x"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["False"]),
        (".status.conditions[?(@.type == 'Done')].status", ["True"]),
        (".spec.ports[?(@.port > 80)].name", ["b"]),
        (".spec.ports[?(@.port >= 80)].name", ["a", "b"]),
        (".spec.ports[?(@.name)].port", [80, 443]),
        ('.spec.ports[?(@.port < "x")].name', []),
        ("{.spec.ports[1].name}", ["b"]),
        ("$.spec.on", [True]),
        (".spec", [OBJ["spec"]]),
    ],
)
def test_paths_of_printer_columns(path: str, found: list[Any]) -> None:
    if "io/name" in path and "'" not in path:
        with pytest.raises(ValueError, match="cannot be read"):
            jsonpath.find(path, OBJ)
        return
    assert jsonpath.find(path, OBJ) == found


@pytest.mark.parametrize("path", ["spec", ".spec[", ".a..b", ".a[?(@.b==)]", ".a[?(@.b==x y)]", ".a[1"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsonpath.compiled(path)


def test_values_are_put_where_they_are_got() -> None:
    obj: dict[str, Any] = {"spec": {"kept": 1}}
    jsonpath.put(".spec.deep.replicas", obj, 3)
    assert obj == {"spec": {"kept": 1, "deep": {"replicas": 3}}}
    assert jsonpath.get(".spec.deep.replicas", obj) == 3
    assert jsonpath.get(".spec.deep.other", obj) is None
