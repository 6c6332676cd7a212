"""The files of ``deploy/`` can be read, and what they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from logsense.config import load_settings
from logsense.index.elastic.mappings import KINDS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MAPPED = {name for fields in KINDS.values() for name in fields}


def used_fields(value: Any) -> set[str]:
    """Every field that a dashboard asks for."""
    if isinstance(value, dict):
        own = {v for k, v in value.items() if k in ("field", "timeFieldName", "timeField") and isinstance(v, str)}
        own |= {n for n in value.get("columns", []) if isinstance(n, str)}
        return own.union(*(used_fields(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*map(used_fields, value))
    if isinstance(value, str) and value.startswith("{"):
        return used_fields(json.loads(value))
    return set()


def test_saved_objects_of_kibana_hold_together() -> None:
    objects = [json.loads(line) for line in (DEPLOY / "kibana/logsense.ndjson").read_text().splitlines()]
    known = {(o["type"], o["id"]) for o in objects}
    assert ("dashboard", "logsense-overview") in known and len(known) == len(objects)
    for item in objects:
        assert all((r["type"], r["id"]) in known for r in item["references"]), item["id"]
        assert used_fields(item["attributes"]) <= MAPPED, item["id"]
    dashboard = next(o for o in objects if o["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert {f"{p['panelIndex']}:{p['panelRefName']}" for p in panels} == {r["name"] for r in dashboard["references"]}
    titles = {o["attributes"]["title"] for o in objects if o["type"] == "index-pattern"}
    assert {re.sub(r"^logsense-|-\*$", "", title) for title in titles} <= set(KINDS)


def test_grafana_files_hold_together() -> None:
    yaml = pytest.importorskip("yaml")
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/logsense.yaml").read_text())["datasources"]
    board = json.loads((DEPLOY / "grafana/dashboards/logsense.json").read_text())
    assert {p["datasource"]["uid"] for p in board["panels"]} <= {s["uid"] for s in sources}
    assert used_fields(board) <= MAPPED
    yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/logsense.yaml").read_text())


def test_compose_file_and_settings() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume
    settings = load_settings(DEPLOY / "logsense.compose.toml")
    assert settings.section("index").type == "elasticsearch"
    assert settings.section("elasticsearch").urls == ["http://elasticsearch:9200"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_understood(tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd/logsense.service").read_text().replace("/opt/logsense/bin/logsense", "/bin/true")
    (tmp_path / "logsense.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "logsense.service")], capture_output=True, text=True
    )
    complaints = [line for line in done.stderr.splitlines() if "logsense.service" in line]
    assert not complaints, done.stderr
