"""Where a test's lines go: the whole end-to-end suite runs on each kind of index.

``place`` belongs to one test, ``module_place`` to one module (for a server that its tests share). The variant with
Elasticsearch uses the test run's real server, with indices of its own that are deleted afterwards.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logsense.config import Settings
from logsense.index.elastic import ElasticIndex
from logsense.record import Query
from logsense.registry import open_index
from logsense.stages import Index
from tests.elasticsearch_server import remove


@dataclasses.dataclass(frozen=True)
class Place:
    """``toml`` is what a server's settings file needs, ``settings`` the same for code."""

    kind: str
    settings: Settings
    toml: str

    def reader(self, data: Path) -> Index:
        return open_index(data, self.settings, writer=False)

    def count(self, data: Path, word: int = 1) -> Counter[int]:
        """How often each number is in the index, from the lines' word at this place, read as any reader would."""
        index = self.reader(data)
        found = Counter(int(record.message.split()[word]) for record in index.scan(Query()))
        index.close()
        return found


@contextmanager
def placed(kind: str, request: pytest.FixtureRequest, folder: Path, url: str = "") -> Iterator[Place]:
    if kind == "embedded":
        yield Place(kind, Settings(), "")
        return
    url = url or request.getfixturevalue("elasticsearch_url")
    options = {"urls": [url], "prefix": f"e{uuid.uuid4().hex[:12]}", "max_backoff_s": 2.0}
    tables = {"index": {"type": kind}, "elasticsearch": options}
    # a TOML value of this kind is written as in JSON
    toml = "".join(f"\n[{t}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in o.items()) for t, o in tables.items())
    settings = Settings(tables)
    yield Place(kind, settings, toml)
    index = open_index(folder, settings, writer=False)
    assert isinstance(index, ElasticIndex)
    index._store.drop(index._store._names(f"{options['prefix']}.*"))  # those of other tenants than the default one
    index._store.client.ask("DELETE", f"/_index_template/{options['prefix']}.*")
    remove(index)
    index.close()


#: For tests that last a minute of their own: with Elasticsearch they belong to the long proofs.
LONG_KINDS = [
    pytest.param("embedded"),
    pytest.param("elasticsearch", marks=[pytest.mark.heavy, pytest.mark.slow]),
]
KINDS = [pytest.param("embedded"), pytest.param("elasticsearch", marks=pytest.mark.heavy)]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with placed(request.param, request, tmp_path / "place") as made:
        yield made


@pytest.fixture(scope="module", params=LONG_KINDS)
def module_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(request.param, request, tmp_path_factory.mktemp("place")) as made:
        yield made
