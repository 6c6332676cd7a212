"""One enrichment per template version, from any thread, with models that load behind."""

import threading
import time

import numpy as np
import pytest

from logsense.enrich import (
    EmbedderOptions,
    Enricher,
    EnricherOptions,
    KeywordExtractor,
    KeywordOptions,
    SentenceEmbedder,
)
from logsense.enricher import SETTLE_S, SHARE, SMALL_BATCH, BackgroundEnricher
from logsense.errors import BadModel
from logsense.record import Template


def template(n, version=1, text="connection to {} refused"):
    return Template(f"t{n}", text.format(f"host{n}"), version=version)


class Counting:
    """Passes on to the real thing and counts the texts."""

    def __init__(self, inner):
        self.inner, self.texts = inner, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def encode(self, texts):
        self.texts += len(texts)
        return self.inner.encode(texts)

    def extract(self, texts, samples=None):
        self.texts += len(texts)
        return self.inner.extract(texts, samples)


@pytest.fixture(scope="module")
def models():
    return SentenceEmbedder(), KeywordExtractor()


@pytest.fixture
def enricher(models):
    return Enricher(Counting(models[0]), Counting(models[1]))


@pytest.mark.models
def test_templates_come_back_enriched_with_their_vectors(enricher):
    given = [template(1), Template("t2", "<*>"), Template("t3", "disk is full", version=4)]
    out, vectors = enricher.enrich(given)
    assert [t.id for t in out] == ["t1", "t2", "t3"]
    assert "connection" in " ".join(out[0].keywords)
    assert [t.enriched_version for t in out] == [1, 1, 4]
    assert given[0].keywords == [], "the caller's templates are not changed"
    assert (vectors.shape, vectors.dtype) == ((3, 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.models
def test_each_version_is_computed_once(enricher):
    enricher.enrich([template(1), template(1), template(2)])
    assert (enricher.embedder.texts, enricher.extractor.texts) == (2, 2)
    _, before = enricher.enrich([template(1)])
    assert enricher.embedder.texts == 2
    out, after = enricher.enrich([template(1, version=2, text="fan of {} is slow")])
    assert (enricher.embedder.texts, out[0].enriched_version) == (3, 2)
    assert float(before[0] @ after[0]) < 0.9


@pytest.mark.models
def test_what_is_remembered_is_bounded(models):
    enricher = Enricher(Counting(models[0]), models[1], EnricherOptions(cache=2))
    out, vectors = enricher.enrich([template(n) for n in range(5)])
    assert (len(out), len(vectors)) == (5, 5)
    enricher.enrich([template(4)])
    assert enricher.embedder.texts == 5
    enricher.enrich([template(0)])
    assert enricher.embedder.texts == 6


@pytest.mark.models
def test_nothing_to_do(enricher):
    out, vectors = enricher.enrich([])
    assert (out, vectors.shape) == ([], (0, 384))


@pytest.mark.models
def test_threads_share_the_work(enricher):
    answers = []
    templates = [template(n) for n in range(6)]
    threads = [threading.Thread(target=lambda: answers.append(enricher.enrich(templates)[1])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(np.array_equal(answers[0], answer) for answer in answers)
    assert enricher.embedder.texts == 6


@pytest.mark.models
def test_start_returns_at_once_and_ready_follows():
    enricher = Enricher(SentenceEmbedder(), KeywordExtractor())
    assert not enricher.ready
    enricher.start()
    enricher.start()
    assert enricher.wait(120)
    assert enricher.ready and enricher.problem is None


def test_a_model_that_cannot_load_is_a_problem_not_a_crash():
    enricher = Enricher(
        SentenceEmbedder(EmbedderOptions(model="/nonexistent", sha256="0" * 64)),
        KeywordExtractor(KeywordOptions(model="no_such_model")),
    )
    enricher.start()
    assert not enricher.wait(30)
    assert isinstance(enricher.problem, BadModel)
    with pytest.raises(BadModel):
        enricher.enrich([template(1)])


class Slow:
    """Models that take a while for each batch, and note its size."""

    def __init__(self):
        self.embedder, self.problem, self.sizes = SentenceEmbedder(), None, []

    def start(self):
        pass

    def wait(self):
        return True

    def enrich(self, templates):
        self.sizes.append(len(templates))
        time.sleep(0.05)
        return templates, np.zeros((len(templates), 3), np.float32)


def test_models_make_way_while_lines_wait():
    model = Slow()
    background = BackgroundEnricher(lambda: model)
    background.make_way(True)
    begun = time.monotonic()
    background.submit([template(n) for n in range(100)])
    while len(model.sizes) < 3:
        time.sleep(0.01)
        assert time.monotonic() - begun < 60
    # Two rests of nine times what a batch took lie between the first three.
    assert time.monotonic() - begun >= SETTLE_S + 2 * 0.05 * (1 / SHARE - 1)
    assert set(model.sizes[:3]) == {SMALL_BATCH}
    assert background.wait(60)  # whoever waits for the models lets them run
    assert sum(model.sizes) == 100 and max(model.sizes) > SMALL_BATCH
    assert sum(len(templates) for templates, _ in background.take()) == 100
    background.close()
