"""Two tenants with keys of their own on a real server, over `kill -9`: each finds its own lines, once, and no other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from logsense import tenancy
from logsense.keys import KeyStore
from logsense.record import Query
from logsense.registry import open_index
from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.running import Running

COUNT = 300
MARKER = {"red": "zqxred7391", "blue": "zqxblue4482"}


@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_each_key_finds_its_own_tenants_lines_and_no_others(tmp_path: Path, place: Place) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = KeyStore(data)
    keys = {name: store.add(name, ["ingest", "search"], [name]) for name in MARKER}

    def ask(server: Running, who: str, path: str) -> Any:
        code, body = server.request("GET", path, headers={"Authorization": f"Bearer {keys[who]}"}, timeout=60)
        assert code == 200, (path, body)
        return json.loads(body)

    def send(server: Running, who: str, first: int) -> None:
        rows = [
            {"message": f"order {n} of {MARKER[who]} stored", "host": f"{who}-host", "service": "orders", "id": str(n)}
            for n in range(first, first + COUNT)
        ]
        body = b"\n".join(json.dumps(row).encode() for row in rows)
        headers = {"Authorization": f"Bearer {keys[who]}", "Content-Type": "application/x-ndjson"}
        assert server.request("POST", "/api/v1/logs", body, headers)[0] == 200

    def arrived(server: Running, who: str, count: int) -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if ask(server, who, "/api/v1/terms?field=host")["total"] >= count:
                return
            time.sleep(0.2)
        raise AssertionError(server.output())

    with Running(data, settings=place.toml) as server:
        for who in MARKER:
            send(server, who, 0)
        server.kill()
        server.start(60)
        for who in MARKER:
            send(server, who, COUNT)
        for who in MARKER:
            arrived(server, who, 2 * COUNT)
        for who, other in (("red", "blue"), ("blue", "red")):
            assert ask(server, who, f"/api/v1/search?q={MARKER[other]}")["total"] == 0
            assert ask(server, who, f"/api/v1/search?q={MARKER[who]}")["total"] == 2 * COUNT
            for field in ("host", "template_id"):
                for order in ("count", "rare"):
                    found = ask(server, who, f"/api/v1/terms?field={field}&order={order}&most=1000")
                    assert found["total"] == 2 * COUNT and MARKER[other] not in json.dumps(found)
            assert [v["value"] for v in ask(server, who, "/api/v1/terms?field=host")["values"]] == [f"{who}-host"]
            for path in ("templates", "incidents", "incidents?q=orders", "hosts", "overview", "template-drift"):
                code, body = server.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {keys[who]}"})
                assert code in (200, 400, 422) and MARKER[other].encode() not in body, path
                assert f"{other}-host".encode() not in body, path
    for who in MARKER:
        index = open_index(tenancy.folder(data, who), tenancy.settings_of(place.settings, who), writer=False)
        numbers = [int(record.message.split()[1]) for record in index.scan(Query())]
        assert sorted(numbers) == list(range(2 * COUNT))
        index.close()
