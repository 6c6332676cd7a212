"""From the embedded index into a real Elasticsearch and back, with an interruption in between."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from logsense import reindex as module
from logsense.config import Settings
from logsense.errors import BadInput, Busy
from logsense.record import Action, Forecast, Incident, LogRecord, MetricPoint, Query, Signal, Template
from logsense.registry import open_index
from tests.elasticsearch_server import remove

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9
pytestmark = pytest.mark.heavy


@pytest.fixture
def settings(elasticsearch_url: str, tmp_path: Path) -> Iterator[Settings]:
    made = Settings({"elasticsearch": {"urls": [elasticsearch_url], "prefix": f"t{uuid.uuid4().hex[:12]}"}})
    yield made
    index = open_index(tmp_path, module.of_kind(made, "elasticsearch"), writer=False)
    remove(index)
    index.close()


def fill(data: Path, settings: Settings) -> list[LogRecord]:
    records = [
        LogRecord(f"id{n}", T0 + n * DAY // 400, f"line {n}", "tail:x", T0, host="h", fields={"source.port": n, "x": n})
        for n in range(1200)
    ]  # fmt: skip
    index = open_index(data, settings, writer=True)
    index.write_logs(records)
    index.write_metrics([MetricPoint("cpu", "h", T0 + n, n / 3, {"core": "0"}) for n in range(50)])
    index.put_templates([Template("t1", "line <*>"), Template("t2", "lines <*>", alias_of="t1")])
    index.put_template_vectors(["t1", "t2"], np.eye(2, 8, dtype=np.float32), "model/a")
    index.put_signals([Signal("s1", "log.rate", T0, T0 + 1, 4.0)])
    index.put_incidents([Incident("i1", "t", "open", "high", T0, T0 + 5)])
    index.put_incident_vectors(["i1"], np.eye(1, 8, dtype=np.float32), "model/a")
    index.add_action(Action("i1", "ack", T0 + 1, by="ann"))
    index.put_forecasts([Forecast("f1", "h", T0, 60, 0.5, "m", True)])
    index.put_source_stats({"tail:x": {"accepted": 1200}})
    index.commit()
    index.close()
    return records


def test_there_and_back_with_an_interruption(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = fill(tmp_path, settings)
    monkeypatch.setattr(module, "LINES", 300)

    class Interrupted(Exception):
        pass

    def interrupt(what: str, done: float, total: float) -> None:
        if what == "lines" and done >= 600:
            raise Interrupted

    with pytest.raises(Interrupted):
        module.reindex(tmp_path, settings, "embedded", "elasticsearch", interrupt)
    seen: list[float] = []
    counts = module.reindex(tmp_path, settings, "embedded", "elasticsearch", lambda w, done, t: seen.append(done))
    assert seen[0] > 600  # it went on, it did not begin again
    assert counts["lines"] == {"source": 1200, "target": 1200}
    shutil.rmtree(tmp_path / "index")
    (tmp_path / "index" / "logs").mkdir(parents=True)
    module.reindex(tmp_path, settings, "elasticsearch", "embedded")
    index = open_index(tmp_path, settings, writer=False)
    assert list(index.scan(Query())) == records
    assert index.metric_series("h", "cpu{core=0}", None, None) == [(T0 + n, n / 3) for n in range(50)]
    assert index.nearest_templates(np.eye(1, 8, dtype=np.float32)[0], 1, "model/a") == [("t1", 1.0)]
    assert index.nearest_incidents(np.eye(1, 8, dtype=np.float32)[0], 1, "model/a") == [("i1", 1.0)]
    assert [a.by for a in index.incidents()[0].actions] == ["ann"]
    assert index.source_stats() == {"tail:x": {"accepted": 1200}}
    index.close()


def test_a_running_worker_and_wrong_kinds_are_refused(tmp_path: Path, settings: Settings) -> None:
    fill(tmp_path, settings)
    worker = open_index(tmp_path, settings, writer=True)
    with pytest.raises(Busy):
        module.reindex(tmp_path, settings, "embedded", "elasticsearch")
    worker.close()
    for pair in (("embedded", "embedded"), ("embedded", "solr")):
        with pytest.raises(BadInput):
            module.reindex(tmp_path, settings, *pair)
