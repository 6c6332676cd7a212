"""The demo in a real Elasticsearch: its incidents, what Kibana and Grafana show of it, the way out and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logsense.cli.demo import PREFIX
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import Query
from tests.e2e import dashboards
from tests.elasticsearch_server import remove

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.xdist_group("demo")]
COPY = "logsense-copied"


def opened(url: str, folder: Path, prefix: str) -> ElasticIndex:
    return ElasticIndex(folder, writer=False, options=ElasticOptions(urls=[url], prefix=prefix))


def command(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "logsense", *arguments], env={**os.environ, "LOGSENSE_ELASTICSEARCH_URL": url},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-3000:]
    return out


@pytest.fixture(scope="module")
def demo(elasticsearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """(the demo's folder, what it printed), made from nothing."""
    data = tmp_path_factory.mktemp("demo") / "data"
    yield data, said(command(elasticsearch_url, "demo", "--data", str(data), "--exit", "--index", "elasticsearch"))
    for prefix in (PREFIX, COPY):
        index = opened(elasticsearch_url, data / "none", prefix)
        remove(index)
        index.close()


@pytest.fixture
def index(demo: tuple[Path, str], elasticsearch_url: str) -> Iterator[ElasticIndex]:
    made = opened(elasticsearch_url, demo[0] / "none", PREFIX)
    yield made
    made.close()


def test_each_fault_is_one_incident(demo: tuple[Path, str]) -> None:
    assert "What broke: 17 incidents" in demo[1], demo[1]


def test_the_hints_at_its_end_work_in_another_shell(demo: tuple[Path, str]) -> None:
    """Where nothing says which Elasticsearch but the file that they name."""
    data = demo[0]
    assert f"--config {data / 'demo.toml'}" in demo[1].replace("\n", "")
    asked = command("", "incidents", "--data", str(data), "--config", str(data / "demo.toml"), "--json")
    assert len(json.loads(said(asked))) == 17


def ask(index: ElasticIndex, asked: dashboards.Asked) -> dict[str, Any]:
    name = asked.index.replace("logsense-", f"{PREFIX}-", 1)
    answer = index._store.client.ask("POST", f"/{name}/_search", asked.body)
    assert answer is not None and answer["_shards"]["failed"] == 0, asked.name
    types = index._store.client.ask("GET", f"/{name}/_field_caps", params={"fields": ",".join(asked.times) or "*"})
    for time_field in asked.times:
        assert set(types["fields"][time_field]) <= {"date", "date_nanos"}, asked.name
    return dict(answer)


def span(index: ElasticIndex) -> tuple[int, int]:
    """The demo's time in milliseconds; panels show the last 24 hours, and the recordings are older."""
    found = index.time_range()
    assert found is not None
    return found[0] // 10**6 - 3_600_000, found[1] // 10**6 + 3_600_000


def test_every_panel_of_kibana_shows_something(index: ElasticIndex) -> None:
    panels = list(dashboards.kibana_panels(span(index)))
    assert len(panels) >= 6
    assert [problem for asked in panels for problem in asked.problems(ask(index, asked))] == []


def test_every_panel_of_grafana_shows_something_with_every_choice(index: ElasticIndex) -> None:
    board, variables = dashboards.grafana_board(), {"query": "*"}
    choices: dict[str, list[str]] = {}
    for asked in dashboards.grafana_variables(board):
        choices[asked.name] = [bucket["key"] for bucket in ask(index, asked)["aggregations"]["buckets"]["buckets"]]
    assert len(choices["metric"]) > 50
    variables |= {name: values[0] for name, values in choices.items()}
    panels = list(dashboards.grafana_panels(board, variables, span(index)))
    assert len(panels) >= 4
    assert [problem for asked in panels for problem in asked.problems(ask(index, asked))] == []
    # what is in a metric's name (braces, quotes, slashes) must not break the query that it is put into
    odd = {kind: name for name in choices["metric"] for kind in '{="/ :-.' if kind in name}
    for name in odd.values():
        drawn = [a for a in dashboards.grafana_panels(board, {**variables, "metric": name}, span(index)) if a.metric]
        assert drawn and [p for asked in drawn for p in asked.problems(ask(index, asked))] == [], name
    narrowed = dashboards.grafana_panels(
        board, {**variables, "query": "log.level:error AND host.name:db*"}, span(index)
    )
    levels = ask(index, next(asked for asked in narrowed if asked.levels))["aggregations"]["buckets"]["buckets"]
    assert [bucket["key"] for bucket in levels] == ["error"]


def interrupted(how: signal.Signals, url: str, data: Path, *arguments: str) -> int:
    """Start the command and end it as soon as it has committed something; the lines that it had."""
    process, note = command(url, *arguments), data / "reindex.json"
    while process.poll() is None:
        try:
            done = int(json.loads(note.read_text())["lines"])
        except (OSError, ValueError):
            time.sleep(0.002)
            continue
        process.send_signal(how)
        _, err = process.communicate()
        if how is signal.SIGINT:  # a person's Ctrl-C
            assert process.returncode == 130 and "Run the same command again" in err, err
        return done
    raise AssertionError(f"it ended by itself: {process.communicate()}")


def test_out_of_elasticsearch_and_back_with_interruptions(
    demo: tuple[Path, str], index: ElasticIndex, elasticsearch_url: str, tmp_path: Path
) -> None:
    data, total = demo[0], index.search(Query(), limit=0)[0]
    out = ["reindex", "--from", "elasticsearch", "--to", "embedded", "--data", str(data), "--json",
           "--config", str(data / "demo.toml")]  # fmt: skip
    assert 0 < interrupted(signal.SIGINT, elasticsearch_url, data, *out) < total
    first = json.loads(said(command(elasticsearch_url, *out)))
    config = tmp_path / "copy.toml"
    config.write_text(f'[elasticsearch]\nprefix = "{COPY}"\n', encoding="utf-8")
    back = ["reindex", "--from", "embedded", "--to", "elasticsearch", "--data", str(data), "--json",
            "--config", str(config)]  # fmt: skip
    assert 0 < interrupted(signal.SIGKILL, elasticsearch_url, data, *back) < total
    second = json.loads(said(command(elasticsearch_url, *back)))
    for counts in (first, second):
        assert counts["lines"] == {"source": total, "target": total}
        assert counts["incidents"] == {"source": 17, "target": 17}
        assert all(count["source"] == count["target"] for count in counts.values())
    copied = opened(elasticsearch_url, tmp_path / "none", COPY)
    every = Query()
    assert all(there == here for there, here in zip(copied.scan(every), index.scan(every), strict=True))
    assert copied.incidents() == index.incidents()
    copied.close()
