"""Which engine runs a pod."""

from __future__ import annotations

import pytest

from k9lite.node.podspec import engine_of


@pytest.mark.parametrize(
    ("images", "runtime_class", "engine"),
    [
        (["nginx"], None, "docker"),
        (["host"], None, "process"),
        (["k9lite/whoami:latest", "host"], None, "process"),
        (["host", "nginx"], None, "docker"),
        (["registry.example/host"], None, "docker"),
        (["host"], "docker", "docker"),
        (["nginx"], "process", "process"),
    ],
)
def test_the_engine_is_the_clusters_unless_the_pod_chooses_or_its_images_are_built_in(
    images: list[str], runtime_class: str | None, engine: str
) -> None:
    pod = {"spec": {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}}
    if runtime_class:
        pod["spec"]["runtimeClassName"] = runtime_class  # type: ignore[assignment]
    assert engine_of(pod, "docker") == engine
