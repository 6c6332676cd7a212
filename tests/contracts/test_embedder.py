"""What every ``Embedder`` must do."""

import threading

import numpy as np
import pytest

from logsense.enrich import EmbedderOptions, SentenceEmbedder, question_embedder

IMPLEMENTATIONS = (SentenceEmbedder, question_embedder)
TEXTS = ["connection refused by the database", "disk is full", "", "a", "failed password " * 300, "数据库 连接", "\0"]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, ids=lambda make: make.__name__)
def embedder(request):
    return request.param(EmbedderOptions())


@pytest.fixture(scope="module")
def reference():
    return SentenceEmbedder().encode(TEXTS)


def test_rows_are_unit_float32(embedder):
    vectors = embedder.encode(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), embedder.dim), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_nothing_in_nothing_out(embedder):
    assert embedder.encode([]).shape == (0, embedder.dim)


def test_a_row_does_not_depend_on_its_neighbours(embedder):
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    assert alone == pytest.approx(embedder.encode(TEXTS), abs=1e-5)


def test_near_in_meaning_is_near(embedder):
    question, near, far = embedder.encode(
        ["which hosts could not reach the database", "connection to postgres refused", "fan speed is normal"]
    )
    assert question @ near > question @ far + 0.1


def test_threads_get_the_answers_of_one(embedder):
    expected, answers = embedder.encode(TEXTS), {}
    threads = [threading.Thread(target=lambda i=i: answers.update({i: embedder.encode(TEXTS)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(answer == pytest.approx(expected, abs=1e-5) for answer in answers.values())


def test_all_implementations_agree(embedder, reference):
    """Questions and templates meet in one space, so whoever embeds must give the same vectors."""
    assert embedder.encode(TEXTS) == pytest.approx(reference, abs=2e-4)
