"""What client libraries of other makes do that ours does not."""

from __future__ import annotations

from tests.apiserver.http import DEFAULT, PODS, SERVICES, Http
from tests.client.test_client import pod


async def test_a_program_may_name_the_server_itself_as_its_origin(http: Http) -> None:
    """As Python's websocket-client does."""
    for origin, status in ((http.url, 200), ("http://127.0.0.1:1", 403), ("https://example.com", 403), ("null", 403)):
        assert (await http.call("GET", PODS, headers={"Origin": origin}))[0] == status


async def test_deleted_pods_and_services_are_answered_whole_and_others_by_a_status(http: Http) -> None:
    await http.call("POST", PODS, pod("p"))
    await http.call("POST", SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    await http.call("POST", f"{DEFAULT}/endpoints", {"metadata": {"name": "e"}})
    kinds = [
        (await http.call("DELETE", f"{DEFAULT}/{path}?gracePeriodSeconds=0"))[1]["kind"]
        for path in ("pods/p", "services/s", "endpoints/e")
    ]
    assert kinds == ["Pod", "Service", "Status"]
