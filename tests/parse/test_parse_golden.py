"""What lines of many programs become: one line in, one document out. ``GOLDEN=1`` writes the file anew."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

from logsense.parse import Parser, Redactor, to_ecs
from logsense.record import RawEvent

GOLDEN = Path(__file__).parents[1] / "golden" / "parse"
NOW = 1_795_550_400 * 10**9  # 2026-11-24T20:00:00Z


def documents() -> list[str]:
    """Each block of ``lines.txt`` (separated by lines of ``---``) is a source of its own."""
    parser, redactor, lines = Parser(), Redactor(), []
    for number, block in enumerate((GOLDEN / "lines.txt").read_text(encoding="utf-8").split("\n---\n"), 1):
        source = f"block-{number:02d}"
        events = [
            RawEvent(line, source, NOW, {}, f"{number}.{n}") for n, line in enumerate(block.rstrip("\n").split("\n"), 1)
        ]
        for record in redactor.process([*parser.parse(events), *parser.flush()]):
            document = {"id": record.id} | to_ecs(record)
            for name in ("event.ingested", "event.original"):
                document.pop(name, None)
            lines.append(json.dumps(document, ensure_ascii=False))
    return lines


def test_golden_documents() -> None:
    got = documents()
    file = GOLDEN / "documents.jsonl"
    if os.environ.get("GOLDEN"):
        file.write_text("\n".join(got) + "\n", encoding="utf-8")
    expected = file.read_text(encoding="utf-8").splitlines()
    difference = "\n".join(difflib.unified_diff(expected, got, "expected", "got", lineterm="", n=0))
    assert not difference, difference
