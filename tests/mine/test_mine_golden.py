"""Goldens of mining: per file the lines of one service in order, each with its template at the end and its values.

Regenerate with GOLDEN=1; the difference is the review.
"""

import json
import os
from pathlib import Path

import pytest

from logsense.mine import Miner
from logsense.record import LogRecord

FOLDER = Path(__file__).parent.parent / "golden" / "mine"
FILES = sorted(FOLDER.glob("*.jsonl"))


def mine(path):
    lines = [json.loads(row)["line"] for row in path.read_text(encoding="utf-8").splitlines()]
    miner = Miner()
    records = miner.process([LogRecord("", 0, line, "golden", 0, service=path.stem) for line in lines])
    templates = {t.id: t for t in miner.templates()}
    for record in records:
        template = templates[record.template_id]
        while template.alias_of:
            template = templates[template.alias_of]
        yield {"line": record.message, "template": template.text, "parameters": record.parameters}


def test_there_are_goldens():
    assert len(FILES) >= 5


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden(path):
    got = [json.dumps(row, ensure_ascii=False) for row in mine(path)]
    if os.environ.get("GOLDEN"):
        path.write_text("\n".join(got) + "\n", encoding="utf-8")
    assert got == path.read_text(encoding="utf-8").splitlines()
