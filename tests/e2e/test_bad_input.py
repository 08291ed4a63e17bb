"""What people get wrong, command by command: exit code 1 and words that say what, where and what to do.

The golden file is the whole transcript. Write it anew with K9LITE_WRITE_GOLDEN=1, and read the difference.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.wait import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

GOLDEN = Path(__file__).parent / "golden/bad_input.txt"

FILES = {
    "selector.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: unlike}
spec:
  replicas: -1
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: b}}
    spec: {containers: [{name: main, image: nginx}]}
""",
    "broken.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: x\n",
    "tab.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n\tname: x\n",
    "text.yaml": "hello\n",
    "empty.yaml": "# nothing\n",
    "kind.yaml": "---\napiVersion: v1\nkind: Frob\nmetadata: {name: x}\n",
    "image.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c}]}\n",
    "far.yaml": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: far}\n"
        "spec: {type: NodePort, selector: {a: b}, ports: [{port: 80, nodePort: 80}]}\n"
    ),
    "taken.yaml": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: two}\n"
        "spec: {type: NodePort, selector: {a: b}, ports: [{port: 80, nodePort: $PORT}]}\n"
    ),
}
COMMANDS = """
create deployment Bad_Name --image=nginx
create deployment web --image=nginx
create deployment x --image=host
create deployment x --image=host --replicas=-1 -- true
create deployment x --image=nginx -n absent
create deployment x --image=
create namespace Bad_
create namespace default
create -f selector.yaml
apply -f broken.yaml
apply -f tab.yaml
apply -f text.yaml
apply -f empty.yaml
apply -f kind.yaml
apply -f image.yaml
apply -f far.yaml
apply -f taken.yaml
apply -f absent.yaml
get frobs
get pods -l 'a in b'
get pods --field-selector spec.color=red
get deployment/absent
scale deployment absent --replicas=2
scale deployment web --replicas=-1
scale deployment web --replicas=two
scale deployment web --replicas=3 --current-replicas=7
expose deployment web --port=99999
expose deployment web --type=NodePort --port=80 --node-port=$PORT
expose deployment web --name=Bad_ --port=80
expose deployment web
delete namespace default
delete pod absent
logs absent
describe pod absent
rollout restart deployment absent
--api-port x get pods
--api-port 99999 get pods
--engine podman get pods
serve
reset
bogus
"""


@pytest.fixture
def node_port(shared: Cluster) -> str:
    return str(int(shared.environment["K9LITE_NODE_PORT_MIN"]) + 7)


async def transcript(made: Cluster, directory: Path, node_port: str) -> str:
    """Every command and what it says, with what differs from run to run replaced by its name."""
    turns = asyncio.Semaphore(2)
    first, last = made.environment["K9LITE_NODE_PORT_MIN"], made.environment["K9LITE_NODE_PORT_MAX"]

    async def run(line: str) -> str:
        words = [
            str(directory / word) if word in FILES else word for word in shlex.split(line.replace("$PORT", node_port))
        ]
        async with turns:
            done = await made.run(*words)
        unexpected = "" if (done.returncode, done.stdout) == (1, "") else f"[{done.returncode}]\n{done.stdout}"
        said = (unexpected + done.stderr).replace(f"{directory}/", "").replace(str(made.home), "$HOME")
        for value, name in (
            (f"{first}-{last}", "$RANGE"),
            (node_port, "$PORT"),
            (f"process {made.pid};", "process $PID;"),
        ):
            said = said.replace(value, name)
        return f"$ k9lite {line}\n{said}"

    return "\n".join(await asyncio.gather(*map(run, COMMANDS.strip().splitlines())))


async def test_mistakes_are_explained(shared: Cluster, tmp_path: Path, node_port: str) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content.replace("$PORT", node_port))
    await shared.ok("create", "deployment", "web", "--image=k9lite/whoami", "--replicas=1")
    await shared.ok(
        "expose", "deployment", "web", "--name=one", "--type=NodePort", "--port=80", f"--node-port={node_port}"
    )
    said = await transcript(shared, tmp_path, node_port)
    if os.environ.get("K9LITE_WRITE_GOLDEN"):
        GOLDEN.write_text(said)
    assert said == GOLDEN.read_text()


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port of the NodePort range on which another program listens."""
    with socket.socket() as program:
        for port in range(32760, 32700, -1):
            try:
                program.bind(("127.0.0.1", port))
            except OSError:
                continue
            program.listen()
            yield port
            return
    pytest.fail("no free port to take")


async def test_what_shows_only_later_is_said_by_the_object_itself(busy_port: int) -> None:
    """An image that is not there, a command that is not there, a port that another program has."""
    async with cluster(start=False) as made:
        made.environment |= {"K9LITE_NODE_PORT_MIN": str(busy_port), "K9LITE_NODE_PORT_MAX": str(busy_port)}
        await made.start()
        await made.ok("create", "deployment", "image", "--image=nginx")
        await made.ok("create", "deployment", "command", "--image=host", "--", "frobnicate")
        await made.ok("expose", "deployment", "image", "--type=NodePort", "--port=80", f"--node-port={busy_port}")
        for words in (
            ("pods", 'image "nginx" needs a container engine', "install Docker or Podman"),
            ("pods", 'exec: "frobnicate": executable file not found in $PATH of this machine', "give its full path"),
            ("services", f"port {busy_port} on 127.0.0.1 is in use by another program", "another nodePort"),
        ):
            await eventually(partial(says, made, *words), timeout=20)


async def says(made: Cluster, kind: str, *words: str) -> bool:
    described = await made.ok("describe", kind)
    return all(word in described for word in words)
