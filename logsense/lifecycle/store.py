"""The model store: ``<layer>/<name>/<version>/`` with ``model.toml`` (the card) and the artefact.

Layers are searched in order; the first one is written to. The usual two are ``<data>/models`` and the models that
the project ships. Which version is in use says ``<layer>/<name>/in_use``: versions, newest promotion first, one a
line; the first line is in use, and rolling back drops it.

Nothing is loaded before its sha256 and library versions were checked, artefacts are skops files (never pickle),
and a type that neither skops nor the caller trusts is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from logsense.errors import BadModel, NotFound
from logsense.lifecycle.card import Card, read_card, write_card

CARD = "model.toml"
POINTER = "in_use"
#: Libraries whose versions an artefact depends on: the first two numbers must be those that made it.
LIBRARIES = ("scikit-learn", "numpy", "skops")


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the store."""

    card: Card
    path: Path
    in_use: bool

    def to_dict(self) -> dict[str, Any]:
        card = self.card
        return {
            "name": card.name,
            "version": card.version,
            "in_use": self.in_use,
            "created": card.created,
            "card": card.to_dict(),
        }


class ModelStore:
    """Versions of models in one or more layers. The first layer is created when something is written."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self.layers = [Path(layer) for layer in layers]
        if not self.layers:
            raise BadModel("A model store needs at least one folder.")

    def names(self) -> list[str]:
        found = {p.parent.parent.name for layer in self.layers for p in layer.glob(f"*/*/{CARD}")}
        return sorted(name for name in found if not name.startswith("."))

    def versions(self, name: str) -> list[str]:
        """Versions of a model over all layers, oldest first."""
        found = {p.parent.name for layer in self.layers for p in (layer / _safe(name)).glob(f"*/{CARD}")}
        return sorted((v for v in found if not v.startswith(".")), key=_order)

    def entries(self, name: str | None = None) -> list[Entry]:
        """All readable versions; a broken card does not hide the others (loading it says what is wrong)."""
        entries = []
        for model in [name] if name else self.names():
            current = self.in_use_path(model)
            for version in self.versions(model):
                # The same number may stand in two layers: the later one was shipped after the other was trained.
                for path in self._paths(model, version):
                    try:
                        card = read_card(path / CARD)
                    except BadModel as error:
                        card = Card(model, version, kind="broken", created="", limits=[str(error)])
                    entries.append(Entry(card, path, path == current))
        return entries

    def path(self, name: str, version: str) -> Path:
        """The folder of a version; raises ``NotFound``."""
        for path in self._paths(name, version):
            return path
        raise NotFound(
            f"There is no model {name}/{version}.",
            where=", ".join(map(str, self.layers)),
            fix=f"it has: {', '.join(self.versions(name)) or 'none'}",
        )

    def in_use(self, name: str) -> str | None:
        """The version in use, by the first layer that says one; None when none is."""
        for layer in self.layers:
            if stack := self._stack(layer, name):
                return stack[0]
        return None

    def in_use_path(self, name: str) -> Path | None:
        """The folder of the version in use. A layer's word is about versions of its own and of those below it: what was
        trained here never takes the place of a shipped version that has the same number."""
        for number, layer in enumerate(self.layers):
            if stack := self._stack(layer, name):
                return next(iter(self._paths(name, stack[0], self.layers[number:])), None)
        return None

    def _paths(self, name: str, version: str, layers: Sequence[Path] | None = None) -> list[Path]:
        found = [layer / _safe(name) / _safe(version) for layer in (self.layers if layers is None else layers)]
        return [path for path in found if (path / CARD).is_file()]

    def save(self, card: Card, artefact: Any) -> Card:
        """Write a new version (its number is given here) and return its card. It is not in use until promoted."""
        import skops.io

        versions = self.versions(card.name)
        card.version = str(max((_order(v)[0] for v in versions), default=0) + 1)
        home = self.layers[0] / _safe(card.name)
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
        try:
            data: bytes = skops.io.dumps(artefact)
            card.sha256 = hashlib.sha256(data).hexdigest()
            card.libraries = library_versions()
            _write(work / card.artefact, data)
            _write(work / CARD, write_card(card).encode())
            work.chmod(0o755)
            work.rename(home / card.version)
            _sync_folder(home)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        return card

    def load(self, name: str, version: str | None = None, *, trusted: Sequence[str] = ()) -> tuple[Any, Card]:
        """The artefact and the card of a version (default: the one in use), after all checks.

        ``trusted``: fully qualified types that may occur besides those skops trusts. Raises ``BadModel``, or
        ``NotFound`` when there is no such version or none in use.
        """
        if version is None:
            used = self.in_use(name)
            if used is None:
                raise NotFound(f"No version of model {name!r} is in use.", fix="train one, then promote it")
            path = self.in_use_path(name) or self.path(name, used)
            version = used
        else:
            path = self.path(name, version)
        card = read_card(path / CARD)
        file = path / card.artefact
        try:
            data = file.read_bytes()
        except OSError as error:
            raise BadModel(
                f"The artefact of {name}/{version} cannot be read.", why=str(error), where=str(file), fix="train again"
            ) from error
        if hashlib.sha256(data).hexdigest() != card.sha256:
            raise BadModel(
                f"The artefact of {name}/{version} was changed after training.",
                why="its sha256 is not the one on the card",
                where=str(file),
                fix="restore the file, train again, or roll back to another version",
            )
        check_libraries(card, where=str(path / CARD))
        return _loads(data, trusted, where=str(file)), card

    def promote(self, name: str, version: str) -> None:
        """Put a version in use. The pointer is replaced atomically and keeps what was in use before."""
        self.path(name, version)
        before = self._stack(self.layers[0], name)
        if before[:1] != [version]:
            self._point(name, [version, *before])

    def rollback(self, name: str) -> str:
        """Put the version in use before back in use and return it; raises ``NotFound`` when there is none."""
        stack = self._stack(self.layers[0], name)
        below = [s for layer in self.layers[1:] if (s := self._stack(layer, name))]
        if not stack or not (stack[1:] or below):
            raise NotFound(
                f"There is nothing to roll {name!r} back to.",
                why="no version was in use before the present one",
                where=str(self.layers[0] / name / POINTER),
                fix="promote another version instead",
            )
        self._point(name, stack[1:])
        return stack[1] if stack[1:] else below[0][0]

    def _stack(self, layer: Path, name: str) -> list[str]:
        try:
            lines = (layer / _safe(name) / POINTER).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError):
            return []
        return [line for line in lines if "/" not in line and not line.startswith(".")]

    def _point(self, name: str, stack: list[str]) -> None:
        home = self.layers[0] / _safe(name)
        home.mkdir(parents=True, exist_ok=True)
        new = home / f".{POINTER}.new"
        _write(new, ("\n".join(stack[:20]) + "\n").encode())
        new.replace(home / POINTER)
        _sync_folder(home)


def library_versions() -> dict[str, str]:
    """Versions of what an artefact depends on, and of Python."""
    return {**{name: metadata.version(name) for name in LIBRARIES}, "python": platform.python_version()}


def check_libraries(card: Card, where: str) -> None:
    """Refuse an artefact made by another minor version: scikit-learn promises nothing across them."""
    for name in LIBRARIES:
        made, have = str(card.libraries.get(name, "")), metadata.version(name)
        if made.split(".")[:2] != have.split(".")[:2]:
            raise BadModel(
                f"Model {card.name}/{card.version} was made by another version of {name}.",
                why=f"made by {made or 'an unknown version'}, installed is {have}",
                where=where,
                fix=f"train again with what is installed, or install {name}=={made}" if made else "train again",
            )


def _loads(data: bytes, trusted: Sequence[str], where: str) -> Any:
    import zipfile

    import skops.io
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(trusted))
        if not unknown:
            return skops.io.loads(data, trusted=list(trusted))
    except (
        UnsupportedTypeException,
        UntrustedTypesFoundException,
        zipfile.BadZipFile,
        AttributeError,
        ImportError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise BadModel(
            "The model artefact cannot be read.", why=f"{type(error).__name__}: {error}", where=where, fix="train again"
        ) from error
    raise BadModel(
        "The model artefact holds types that are not trusted.",
        why=", ".join(unknown),
        where=where,
        fix="do not load it unless you know where it comes from; train your own instead",
    )


def _sweep(home: Path) -> None:
    """Remove what a run left that was killed while it wrote; no run writes for an hour."""
    for left in home.glob(".new-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)


def _order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)


def _safe(name: str) -> str:
    """A name or version is one path component: it may come from a command line or a request."""
    if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
        raise NotFound(f"{name!r} is no name of a model or version.")
    return name


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
