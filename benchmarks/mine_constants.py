"""Do the miner's constants hold on systems that they were not chosen on?

    python benchmarks/mine_constants.py [--data ../shared/data/parsing] [--only merge_at]

For each constant of `TreeOptions`, each of some values is tried on every labelled system with ids as first answered.
Then one system after the other is left out: the value that is best on the others (mean of GA and FGA, the default
among equals) is judged on the one left out. "default" is the mean with the value in use, "left out" the mean over the
systems of the value chosen without them: where the two agree, the value in use is not fitted to these systems.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean

from logsense.mine import Miner, MinerOptions, TreeOptions
from logsense.record import LogRecord

VALUES = {
    "agree_preposition": (1, 2, 4, 6),
    "agree_name": (1, 2, 3, 4),
    "agree_wildcard": (1, 2, 3, 4),
    "agree_first": (2, 3, 4, 6, 99),
    "merge_at": (2, 3, 4, 6, 10),
    "max_leaf": (20, 100, 400),
    "max_children": (100, 1000, 4000),
}
Scores = tuple[float, float, float, float]


def load(data: Path) -> dict[str, list[tuple[str, str]]]:
    """System → (message, labelled template) of each line."""
    systems = {}
    for table in sorted(data.glob("*/*_2k.log_structured_corrected.csv")):
        with table.open(newline="", encoding="utf-8", errors="replace") as file:
            systems[table.parent.name] = [(row["Content"], row["EventTemplate"]) for row in csv.DictReader(file)]
    return systems


def score(rows: list[tuple[str, str]], options: TreeOptions) -> Scores:
    """GA, PA, FGA, FTA as the Loghub-2.0 evaluation defines them."""
    miner = Miner(MinerOptions(tree=options))
    records = [LogRecord(str(i), i, message, "bench", 0) for i, (message, _) in enumerate(rows)]
    for at in range(0, len(records), 1000):
        miner.process(records[at : at + 1000])
    texts = {t.id: t for t in miner.templates()}

    def text(template_id: str) -> str:
        while texts[template_id].alias_of:
            template_id = texts[template_id].alias_of
        return texts[template_id].text

    gold, ours, by_text = defaultdict(set), defaultdict(set), defaultdict(set)
    right = 0
    for i, (record, (_, label)) in enumerate(zip(records, rows, strict=True)):
        wanted, given = plain(label), plain(text(record.template_id))
        gold[label].add(i)
        ours[record.template_id].add(i)
        by_text[given].add(wanted)
        right += wanted == given
    groups = {frozenset(g) for g in gold.values()}
    same = [g for g in ours.values() if frozenset(g) in groups]
    hits = sum(labels == {given} for given, labels in by_text.items())
    return (
        sum(map(len, same)) / len(rows),
        right / len(rows),
        harmonic(len(same) / len(ours), len(same) / len(gold)),
        harmonic(hits / len(by_text), hits / len({plain(label) for _, label in rows})),
    )


def plain(text: str) -> str:
    return re.sub(r"(<\*>\s?)+<\*>", "<*>", re.sub(r"\s+", " ", text)).strip()


def harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def mean(scores: list[Scores]) -> str:
    return "  ".join(f"{name} {fmean(s[i] for s in scores):.3f}" for i, name in enumerate(("GA", "PA", "FGA", "FTA")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent.parent / "shared/data/parsing")
    parser.add_argument("--only", choices=list(VALUES))
    options = parser.parse_args()
    systems = load(options.data)
    defaults = TreeOptions()
    assert {f.name for f in fields(TreeOptions)} == VALUES.keys()
    base = {name: score(rows, defaults) for name, rows in systems.items()}
    print(f"{'default':18} {'':24} {mean(list(base.values()))}", flush=True)
    for constant in [options.only] if options.only else VALUES:
        default = getattr(defaults, constant)
        found = {default: base}
        for value in VALUES[constant]:
            if value != default:
                tried = replace(defaults, **{constant: value})
                found[value] = {name: score(rows, tried) for name, rows in systems.items()}
        chosen = {}
        for left_out in systems:
            others = [s for s in systems if s != left_out]
            merit = {v: fmean(t[s][0] + t[s][2] for s in others) for v, t in found.items()}
            chosen[left_out] = max(merit, key=lambda v: (round(merit[v], 6), v == default))
        picked = ", ".join(f"{v}: {list(chosen.values()).count(v)} times" for v in sorted(set(chosen.values())))
        print(f"{constant:18} left out, chose {picked:7} {mean([found[v][s] for s, v in chosen.items()])}")
        for value in sorted(found):
            mark = " (in use)" if value == default else ""
            print(f"{'':18} {value!s:>6}{mark:18} {mean(list(found[value].values()))}", flush=True)


if __name__ == "__main__":
    main()
