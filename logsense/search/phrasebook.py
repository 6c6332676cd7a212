"""Crossing from how people ask to how logs write, by examples (``phrasebook.txt``).

A template answers a question when an example line is near to both: the question to one of the line's questions, the
template to one of its log forms. The score of that bridge is the product of the two cosines, the best over all lines.
Vectors of the examples come with logsense for the packaged model, made by ``benchmarks/train_adapter.py``; for another
model they are computed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from logsense.search.glossary import glossary

if TYPE_CHECKING:
    import numpy as np

_HERE = Path(__file__).parent
VECTORS = _HERE / "phrasebook.safetensors"
#: Concepts of the glossary that a template is spoken with, and phrases of each. More turns texts into the same soup.
MAX_CONCEPTS, MAX_PHRASES = 3, 3
#: Example lines that one question is carried over by.
NEAREST = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One subject: what logs say, and what people ask."""

    log: tuple[str, ...]
    asked: tuple[str, ...]


@cache
def read_lines() -> tuple[Line, ...]:
    """The lines of ``phrasebook.txt``."""
    lines = []
    for text in (_HERE / "phrasebook.txt").read_text(encoding="utf-8").splitlines():
        if text.strip() and not text.startswith("#"):
            log, asked = text.split(" => ")
            lines.append(Line(_forms(log), _forms(asked)))
    return tuple(lines)


def _forms(text: str) -> tuple[str, ...]:
    return tuple(form.strip() for form in text.split(" | "))


def spoken(described: str) -> str:
    """A template's words with how people put the concepts that it names, in brackets; the words alone if none.

    >>> spoken("connection reset by peer")
    'connection reset by peer (tore down the connection, hung up abruptly, cut off in the middle)'
    """
    concepts = sorted(glossary().in_log(described), key=lambda item: -len(item[1]))[:MAX_CONCEPTS]
    phrases = [phrase for concept, _ in concepts for phrase in concept.plain[:MAX_PHRASES]]
    return f"{described} ({', '.join(phrases)})" if phrases else described


def background_texts() -> list[str]:
    """The log side of the glossary, a concept each: general operations language."""
    return [" ".join(concept.log[:3]) for concept in glossary().concepts]


def fingerprint() -> str:
    """Of everything that the kept vectors are made from."""
    texts = [*(form for line in read_lines() for form in (*line.log, *line.asked)), *background_texts()]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class Phrasebook:
    """The example lines as vectors of one model. ``encode`` makes unit rows; ``model`` is its name."""

    def __init__(self, encode: Callable[[Sequence[str]], np.ndarray], model: str) -> None:
        import numpy as np

        lines = read_lines()
        kept = _kept(model)
        if kept is None:
            forms = [form for line in lines for form in line.log]
            kept = {
                "log": encode(forms),
                "asked": encode([form for line in lines for form in line.asked]),
                "background": encode(background_texts()),
            }
        self._log, self._asked = kept["log"].astype(np.float32), kept["asked"].astype(np.float32)
        #: Vectors of ``background_texts``.
        self.background = kept["background"].astype(np.float32)
        self._log_starts = np.cumsum([0, *(len(line.log) for line in lines)])
        self._asked_starts = np.cumsum([0, *(len(line.asked) for line in lines)])[:-1]

    def bridge(self, question: np.ndarray, templates: np.ndarray, nearest: int = NEAREST) -> np.ndarray:
        """Shape (n,): for each row of ``templates`` (n, dim) how well an example carries ``question`` (dim,) to it."""
        import numpy as np

        close = np.maximum.reduceat(self._asked @ question, self._asked_starts)
        lines = np.argsort(-close, kind="stable")[:nearest]
        spans = [np.arange(self._log_starts[line], self._log_starts[line + 1]) for line in lines]
        starts = np.cumsum([0, *(len(span) for span in spans)])[:-1]
        cosines = self._log[np.concatenate(spans)] @ templates.T
        best = np.maximum.reduceat(cosines, starts, axis=0)
        return np.asarray((close[lines, None] * best).max(axis=0))


def _kept(model: str) -> dict[str, np.ndarray] | None:
    """The vectors that come with logsense, or None where they are of another model or of other examples."""
    from safetensors import safe_open

    if not VECTORS.is_file():
        return None
    with safe_open(VECTORS, framework="numpy") as file:
        made = file.metadata() or {}
        if made.get("model") != model or made.get("examples") != fingerprint():
            return None
        return {name: file.get_tensor(name) for name in ("log", "asked", "background")}
