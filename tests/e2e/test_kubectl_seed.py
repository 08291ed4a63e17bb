"""The first commands of every tutorial, verbatim, with each kubectl on both engines; its output is golden."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from k9lite.settings import Settings
from tests.e2e.kubectl import Kubectl, chosen, kubectls
from tests.support.cluster import cluster
from tests.support.images import IMAGE, ensure_image
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

GOLDEN = Path(__file__).parent / "golden"
SINCE_1_30 = ("Node-Selectors: <none>", "Tolerations: <none>")
"""Lines of `describe` that older kubectls do not print."""
ENGINES = [
    pytest.param("process", "k9lite/whoami", id="process"),
    pytest.param("docker", IMAGE, id="docker", marks=pytest.mark.docker),
]
"""(engine, an image that serves port 80)"""


def normalised(text: str, image: str) -> str:
    """The output without what differs from run to run: names' random parts, ages, times, addresses, alignment."""
    container = re.escape(image.rpartition("/")[2].partition(":")[0])
    for pattern, word in (
        (re.escape(image), "IMAGE"),
        (rf"\b{container}\b", "CONTAINER"),
        (r"web-[a-z0-9]{8,10}-[a-z0-9]{5}", "web-HASH-ID"),
        (r"web-[a-z0-9]{8,10}\b", "web-HASH"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
        (r"\d+\.\d+\.\d+\.\d+", "ADDRESS"),
        (r"\b[23]\d{4}/TCP", "NODEPORT/TCP"),
        (r"(\d+[dhms])+(?= |$)", "AGE"),
        (r"-{3,}", "---"),
        (r"[ \t]+", " "),
    ):
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    lines = [line.rstrip() for line in text.splitlines() if line.strip() not in SINCE_1_30]
    events = [number for number, line in enumerate(lines) if line.startswith(" Normal ")]
    for number, line in zip(events, sorted(lines[number] for number in events), strict=True):
        lines[number] = line  # kubectl leaves the order of those of one second to chance
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(("engine", "image"), ENGINES)
@pytest.mark.parametrize("version", chosen(*sorted(kubectls())))
async def test_seed_commands(version: str, engine: str, image: str) -> None:
    if engine == "docker":
        ensure_image()
    async with cluster(engine) as served:
        kubectl = Kubectl(served, version)
        told: list[str] = []

        async def say(*command: str) -> str:
            out = await kubectl.ok(*command)
            shown = " ".join(command).replace(image, "IMAGE")
            told.append(normalised(f"$ kubectl {re.sub(r'web-[a-z0-9-]+', 'POD', shown)}\n", image))
            told.append(normalised(out, image) + "\n")
            return out

        async def ready(count: int) -> None:
            async def all_ready() -> bool:
                deployment = await kubectl.get("deployment", "web")
                status = deployment["status"]
                numbers = {status.get(key, 0) for key in ("readyReplicas", "replicas", "updatedReplicas")}
                return numbers == {count} and len((await kubectl.get("pods"))["items"]) == count

            await eventually(all_ready, timeout=40)

        await say("create", "deployment", "web", f"--image={image}", "--port=80")
        await ready(1)
        await say("get", "pods")
        await say("get", "deploy")
        await say("scale", "deployment", "web", "--replicas=4")
        await ready(4)
        await say("get", "pods")
        await say("describe", "deployment", "web")
        await say("expose", "deployment", "web", "--type=NodePort", "--port=80")
        await say("get", "svc", "web")
        await answers(kubectl)
        victim = (await kubectl.ok("get", "pods", "-o", "name")).split()[0].removeprefix("pod/")
        await say("delete", "pods", victim)
        await ready(4)
        await say("get", "deploy")
        await say("delete", "deployment", "web")
        await eventually(lambda: gone(kubectl), timeout=40)
        golden = GOLDEN / "kubectl-seed.txt"
        assert "".join(told) == golden.read_text()


async def answers(kubectl: Kubectl) -> None:
    """Every one of the four pods answers through the NodePort."""
    service = await kubectl.get("svc", "web")
    port = service["spec"]["ports"][0]["nodePort"]
    assert port in range(Settings().node_port_min, Settings().node_port_max + 1)
    seen: set[bytes] = set()

    async def all_seen() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /cgi-bin/who HTTP/1.0\r\nHost: web\r\n\r\n")
        content = await reader.read()
        writer.close()
        await writer.wait_closed()
        seen.update(re.findall(rb"web-[a-z0-9]+-[a-z0-9]+", content))
        return len(seen) == 4

    await eventually(all_seen, timeout=20)


async def gone(kubectl: Kubectl) -> bool:
    return not (await kubectl.get("pods,replicasets"))["items"]
