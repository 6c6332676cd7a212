"""Configurations of shippers, as files with ``@HOST@``, ``@PORT@``, ``@KEY@`` and ``@PATH@`` in them.

The first line of a file is a comment with what it is. Lines that end with ``@if key@`` are left out without a key,
lines that end with ``@if no key@`` with one.
"""

from __future__ import annotations

import base64
import difflib
import re
from pathlib import Path

from logsense.errors import BadInput, NotFound

_FOLDER = Path(__file__).parent
_SAFE = re.compile(r"[A-Za-z0-9_./:*{},\[\]=+ -]*")
_PLACE = re.compile(r"@(HOST|PORT|KEY|BASIC|PATH)@")


def names() -> list[tuple[str, str]]:
    """(name, what it is) of every configuration."""
    rows = []
    for path in sorted(_FOLDER.glob("*.conf")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        rows.append((path.stem, first.lstrip("#/ ").rstrip()))
    return rows


def render(name: str, *, host: str, port: int, key: str = "", path: str = "/var/log/*.log") -> str:
    """The configuration. Raises NotFound, and BadInput for values that would break its syntax."""
    file = _FOLDER / f"{name}.conf"
    known = [one for one, _ in names()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        raise NotFound(
            f"There is no configuration for {name!r}.",
            fix=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}",
        )
    for value in (host, key, path):
        if not _SAFE.fullmatch(value):
            raise BadInput(f"{value!r} cannot be put into a configuration.", fix="use plain characters")
    basic = base64.b64encode(f"shipper:{key}".encode()).decode()
    values = {"HOST": host, "PORT": str(port), "KEY": key, "BASIC": basic, "PATH": path}
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.endswith("@if key@"):
            if not key:
                continue
            line = line.removesuffix("@if key@").rstrip()
        elif line.endswith("@if no key@"):
            if key:
                continue
            line = line.removesuffix("@if no key@").rstrip()
        lines.append(_PLACE.sub(lambda match: values[match[1]], line))
    return "\n".join(lines) + "\n"
