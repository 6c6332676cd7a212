"""The model card: what a model is, what it was made of and how good it was, written by the run that made it."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from logsense.errors import BadModel


@dataclass(slots=True)
class Card:
    """``model.toml``. ``sha256`` is the artefact's; ``libraries`` are the versions that made it."""

    name: str
    version: str
    kind: str
    created: str
    artefact: str = "model.skops"
    sha256: str = ""
    calibrated: bool = False
    horizon_s: int = 0
    step_s: int = 0
    threshold: float = 0.0
    #: What people must know before they rely on it.
    limits: list[str] = field(default_factory=list)
    #: Recordings, period, hosts, steps and failures by kind.
    data: dict[str, Any] = field(default_factory=dict)
    #: How it was fitted.
    fit: dict[str, Any] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    #: Scores on the held-out part, with intervals, beside the baselines and the null.
    scores: dict[str, Any] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def write_card(card: Card) -> str:
    """The card as TOML."""
    return "# Written by the training run; the artefact beside it is checked against sha256 and libraries.\n" + dumps(
        card.to_dict()
    )


def read_card(path: Path) -> Card:
    """Raises ``BadModel`` when the card is missing, no TOML, or lacks what loading needs."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadModel(
            "The model has no card.", why=str(error), where=str(path), fix="train the model again"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadModel(
            "The model card is not valid TOML.", why=str(error), where=str(path), fix="restore it, or train again"
        ) from error
    known = {f.name: f for f in fields(Card)}
    try:
        card = Card(**{key: value for key, value in table.items() if key in known})
    except TypeError as error:
        raise BadModel("The model card is incomplete.", why=str(error), where=str(path), fix="train again") from error
    wrong = [
        n for n, kind in (("sha256", str), ("artefact", str), ("libraries", dict)) if type(getattr(card, n)) is not kind
    ]
    if wrong or Path(card.artefact).name != card.artefact:
        raise BadModel(f"The model card has a bad {(wrong or ['artefact'])[0]!r}.", where=str(path), fix="train again")
    return card


def dumps(table: dict[str, Any], prefix: str = "") -> str:
    """TOML of nested dicts of texts, numbers, booleans, lists and dicts; None is left out, NaN is kept as nan."""
    plain = {k: v for k, v in table.items() if not isinstance(v, dict) and v is not None}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    text = "\n".join(lines) + ("\n" if lines else "")
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{prefix}{_key(key)}"
            text += f"\n[{name}]\n{dumps(value, name + '.')}"
    return text


def _filled(items: list[str], width: int = 116) -> str:
    """Items with commas, as many on a line as fit; a long one has its own."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > width:
            lines.append("")
        lines[-1] += f" {item}," if lines[-1] else f"  {item},"
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value)
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, (list, tuple)):
        items = [_value(v) for v in value if v is not None]
        one_line = f"[{', '.join(items)}]"
        return one_line if len(one_line) < 100 else "[\n" + _filled(items) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    # JSON escapes are TOML escapes, but JSON leaves DEL as it is and TOML does not allow it
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
