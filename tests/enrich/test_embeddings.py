"""Which model is loaded, and which is refused."""

import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from logsense.enrich import EmbedderOptions, SentenceEmbedder, question_embedder
from logsense.enrich.embeddings import DEFAULT_DIM, check_weights, model_folder
from logsense.errors import BadModel


def test_the_packaged_weights_are_the_published_ones():
    assert (model_folder(EmbedderOptions()) / "config.json").is_file()


@pytest.mark.parametrize("make", [SentenceEmbedder, question_embedder])
def test_changed_weights_are_refused(tmp_path, make):
    shutil.copytree(model_folder(EmbedderOptions()), tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    expected = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    with pytest.raises(BadModel) as e:
        make(EmbedderOptions(model=str(tmp_path / "m"), sha256=expected)).encode(["x"])
    assert expected in e.value.why
    assert e.value.where == str(weights)
    assert e.value.fix


def test_absent_weights_are_refused(tmp_path):
    with pytest.raises(BadModel) as e:
        check_weights(tmp_path, "0" * 64)
    assert e.value.why and e.value.fix


def test_the_dimension_is_known_without_loading():
    embedder = SentenceEmbedder()
    assert embedder.dim == DEFAULT_DIM
    assert not embedder.loaded


def test_importing_the_package_imports_no_heavy_library():
    heavy = ("torch", "spacy", "numpy", "drain3")
    program = f"import sys, logsense.enrich, logsense.mine; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.models
def test_loading_opens_no_connection(monkeypatch):
    def refuse(*args):
        raise AssertionError(f"connects to {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert SentenceEmbedder().encode(["offline"]).shape == (1, DEFAULT_DIM)


@pytest.mark.models
def test_an_unknown_model_is_an_error_that_says_what_to_do():
    with pytest.raises(BadModel) as e:
        SentenceEmbedder(EmbedderOptions(model="no-such/model")).encode(["x"])
    assert e.value.fix


@pytest.mark.models
def test_batches_do_not_change_vectors():
    texts = [f"worker {word} restarted" for word in ("alpha", "beta", "gamma", "delta", "epsilon")]
    one = SentenceEmbedder(EmbedderOptions(batch_size=1)).encode(texts)
    assert one == pytest.approx(SentenceEmbedder().encode(texts), abs=1e-5)
    assert one.dtype == np.float32
