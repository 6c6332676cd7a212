"""Embeds questions with numpy alone, for processes that answer people.

Importing torch and sentence-transformers takes seconds of CPU and hundreds of megabytes. The worker pays that once,
in the background; ``logsense search`` would pay it with every question, and the server would pay it a second time.
A question is one short sentence, so a plain forward pass of the same weights (BERT, Devlin et al. 2018, mean pooling
as in Reimers and Gurevych 2019) answers in milliseconds. A test holds it to the vectors of sentence-transformers.
Models of any other architecture go to ``SentenceEmbedder``.

For the packaged model there is an adapter (``adapter.safetensors``, Hu et al. 2021): low-rank additions, trained on
examples of how people ask and logs write (``benchmarks/train_adapter.py``), that move a question towards the lines
that answer it. Templates are not touched, so an index keeps its vectors.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.enrich.embeddings import DEFAULT_MODEL, EmbedderOptions, SentenceEmbedder, model_folder
from logsense.errors import BadModel
from logsense.stages import Embedder

if TYPE_CHECKING:
    import numpy as np


#: Trained for the packaged model, and of no use to another.
ADAPTER = Path(__file__).parent / "adapter.safetensors"


def question_embedder(options: EmbedderOptions | None = None) -> Embedder:
    """The quickest embedder that gives the vectors of the model in ``options``. Raises ``BadModel``."""
    options = options or EmbedderOptions()
    folder = Path(model_folder(options))
    if not is_plain_bert(folder):
        return SentenceEmbedder(options)
    return BertEncoder(options.model, folder, ADAPTER if options.model == DEFAULT_MODEL else None)


def is_plain_bert(folder: Path) -> bool:
    """BERT with absolute positions and gelu, mean pooling, no dense layer: what ``BertEncoder`` computes."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and pooling.get("pooling_mode_mean_tokens") is True
        and [m["type"].rpartition(".")[2] for m in modules]
        in (["Transformer", "Pooling", "Normalize"], ["Transformer", "Pooling"])
        and (folder / "tokenizer.json").is_file()
        and (folder / "model.safetensors").is_file()
    )


class BertEncoder:
    """``Embedder`` for a plain BERT folder. Thread-safe. Meant for short texts, one at a time."""

    def __init__(self, name: str, folder: Path, adapter: Path | None = None) -> None:
        self.name = name
        self._folder, self._adapter_file = folder, adapter
        self._adapter: dict[str, np.ndarray] = {}
        self._config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._lock = threading.Lock()
        self._weights: dict[str, np.ndarray] = {}
        self._tokenizer: Any = None

    @property
    def dim(self) -> int:
        return int(self._config["hidden_size"])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """One L2-normalised float32 row a text, shape (n, dim); n may be 0. Raises ``BadModel``."""
        return self._rows(texts, {})

    def encode_questions(self, texts: Sequence[str]) -> np.ndarray:
        """As ``encode``, moved by the adapter (if there is one) towards the lines that answer the questions."""
        self._load()
        return self._rows(texts, self._adapter)

    def _rows(self, texts: Sequence[str], adapter: Mapping[str, np.ndarray]) -> np.ndarray:
        import numpy as np
        from threadpoolctl import threadpool_limits

        self._load()
        # The matrices of a short text are small: a second BLAS thread only waits, and under load it waits long.
        with threadpool_limits(limits=1, user_api="blas"):
            rows = [self._one(text or " ", adapter) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def _load(self) -> None:
        with self._lock:
            if self._tokenizer is not None:
                return
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer

            try:
                weights = load_file(self._folder / "model.safetensors")
                tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
                limits = json.loads((self._folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
            except Exception as error:
                raise BadModel("The embedding model cannot be loaded.", why=str(error), where=str(self._folder),
                               fix="reinstall the model") from error  # fmt: skip
            tokenizer.no_padding()
            tokenizer.enable_truncation(int(limits.get("max_seq_length") or 256))
            if self._adapter_file is not None:
                self._adapter = {k: v.astype("float32") for k, v in load_file(self._adapter_file).items()}
            self._weights = {name.removeprefix("bert."): value for name, value in weights.items()}
            self._tokenizer = tokenizer

    def _one(self, text: str, adapter: Mapping[str, np.ndarray]) -> np.ndarray:
        """Vector of one text, shape (dim,). Nothing is padded, so attention needs no mask."""
        import numpy as np

        w = self._weights
        with self._lock:
            ids = self._tokenizer.encode(text).ids
        e = "embeddings."
        x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
        x = self._norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
        for number in range(int(self._config["num_hidden_layers"])):
            layer = f"encoder.layer.{number}."
            x = self._norm(x + self._attention(x, layer, adapter), layer + "attention.output.LayerNorm")
            inner = _gelu(self._dense(x, layer + "intermediate.dense", adapter))
            x = self._norm(x + self._dense(inner, layer + "output.dense", adapter), layer + "output.LayerNorm")
        mean = x.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _attention(self, x: np.ndarray, layer: str, adapter: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scaled dot-product self-attention over all heads; x and the answer are (tokens, dim)."""
        import numpy as np

        heads = int(self._config["num_attention_heads"])
        size = self.dim // heads
        q, k, v = (
            self._dense(x, f"{layer}attention.self.{part}", adapter).reshape(-1, heads, size).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(size))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ v
        return self._dense(mixed.transpose(1, 0, 2).reshape(-1, self.dim), layer + "attention.output.dense", adapter)

    def _dense(self, x: np.ndarray, name: str, adapter: Mapping[str, np.ndarray]) -> np.ndarray:
        y = x @ self._weights[name + ".weight"].T + self._weights[name + ".bias"]
        if name + ".a" in adapter:
            y = y + (x @ adapter[name + ".a"].T) @ adapter[name + ".b"].T
        return y

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        import numpy as np

        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(self._config["layer_norm_eps"]))
        return scaled * self._weights[name + ".weight"] + self._weights[name + ".bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    """x · Φ(x), with the error function by Abramowitz and Stegun 7.1.26 (error below 1.5e-7, float32's own size)."""
    import numpy as np

    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - poly * np.exp(-z * z))
    return np.asarray(0.5 * x * (1 + erf), np.float32)
