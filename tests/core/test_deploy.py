"""The files of ``deploy/`` can be read, and what they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
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


#: Grafana's own types of a dashboard and of a query to Elasticsearch, and the compiler that holds ours against them.
NPM = {"@grafana/schema": "11.6.16", "typescript": "5.9.3"}
TYPES = "./node_modules/@grafana/schema/dist/esm/raw"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="needs npm, which fetches Grafana's types")
def test_the_dashboard_has_the_types_that_grafana_publishes(tmp_path: Path) -> None:
    board = json.loads((DEPLOY / "grafana/dashboards/logsense.json").read_text())
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    (tmp_path / "package.json").write_text(json.dumps({"private": True, "dependencies": NPM}))
    got = subprocess.run(
        ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts"], cwd=tmp_path, capture_output=True, text=True
    )
    if got.returncode:
        pytest.skip(f"npm cannot fetch Grafana's types: {got.stderr[-300:]}")

    def complaints(targets: list[dict[str, Any]]) -> str:
        (tmp_path / "check.ts").write_text(
            f"import type {{ Dashboard }} from '{TYPES}/dashboard/x/dashboard_types.gen';\n"
            "import type { ElasticsearchDataQuery } from "
            f"'{TYPES}/composable/elasticsearch/dataquery/x/ElasticsearchDataQuery_types.gen';\n"
            f"export const board: Dashboard = {json.dumps(board, indent=1)};\n"
            f"export const targets: ElasticsearchDataQuery[] = {json.dumps(targets, indent=1)};\n"
        )
        options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
        tsc = tmp_path / "node_modules/.bin/tsc"
        return subprocess.run([tsc, *options, "check.ts"], cwd=tmp_path, capture_output=True, text=True).stdout

    assert complaints(targets) == ""
    assert "timeFeild" in complaints([{**targets[0], "timeFeild": "@timestamp"}])  # it does look


def test_compose_file_and_settings() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume
    tool = Path(sys.executable).with_name("check-jsonschema")  # the schema of the Compose Specification is in it
    done = subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
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
    rating = ["systemd-analyze", "security", "--offline=yes", "--threshold=40", "--no-pager"]  # 0 is shut in, 100 open
    rated = subprocess.run([*rating, str(tmp_path / "logsense.service")], capture_output=True, text=True)
    if "unrecognized option" not in rated.stderr:  # before systemd 250
        assert rated.returncode == 0, rated.stdout
