"""``logsense search --follow``: the newest lines, then those that arrive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from logsense.cli.common import console, print_ndjson
from logsense.errors import IndexUnavailable

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: Seconds between two looks.
LOOK_S = 0.5


def follow(space: Workspace, question: str, *, limit: int, json: bool) -> None:
    """Print the newest ``limit`` lines, oldest first, and go on until Ctrl-C; with ``json`` one document a line."""
    from logsense.cli.ask import print_line

    out, notes = console(), console(stderr=True)
    reader = space.follow(question)
    shown = set()
    if limit:
        before = space.search(question, limit=limit, by_time=True)["hits"][::-1]
        shown = {hit["id"] for hit in before}
        if json:
            print_ndjson(before)
        else:
            for hit in before:
                print_line(out, hit)
    away = False
    while True:
        try:
            look = reader.read()
            away = False
        except IndexUnavailable as error:
            if not away:
                notes.print(f"waiting: {error.what}", style="yellow")
            away = True
            time.sleep(2)
            continue
        if look["missed"]:
            notes.print(f"{look['missed']} lines came too fast to be shown", style="yellow")
        fresh = [hit for hit in look["lines"] if hit["id"] not in shown]
        if json:
            print_ndjson(fresh)
        else:
            for hit in fresh:
                print_line(out, hit)
        time.sleep(LOOK_S)
