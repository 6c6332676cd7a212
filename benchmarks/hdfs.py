"""Sessions that go wrong: HDFS blocks (2 % sample, raw lines) by our parser, miner and session detector.

    PYTHONPATH=. python -m benchmarks.hdfs [FOLDER] [--seeds 3]

Training sees normal blocks only; the detector then goes on learning from the blocks that it judges, without labels.
A block counts as found when the detector says at its end how it deviates. Splits by blocks: random halves, and the
first 30 % and 50 % by the time of their first line (whole blocks, as others publish it; ``as of then`` gives training
only the lines before the split). Beside it, in the same run, on the same sets and counts of our own templates: an
event set that training does not have, the distance to the nearest log counts (kNN), PCA residuals of log counts and an
isolation forest, each with the threshold that flags 0.5 % of the training blocks.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from logsense.detect import FOREVER, FactCollector, SessionAnomaly, SessionAnomalyOptions, WindowOptions, Windows
from logsense.detect.session_courses import Deviation, Session
from logsense.mine import Miner
from logsense.parse import Parser
from logsense.record import LogRecord, RawEvent

FOLDER = Path(__file__).resolve().parents[2] / "shared/data/logad/hdfs_2pct_raw"
DAY_S = 86_400
SECOND = 1_000_000_000


class Blocks:
    """All lines, parsed and mined, with the block of each and its label."""

    def __init__(self, folder: Path) -> None:
        rows = duckdb.sql(
            f"select concat_ws(' ', date, time, id, level, component, m_message), seq_id "
            f"from '{folder / 'hdfs_events_2percent.parquet'}'"
        ).fetchall()
        labels = duckdb.sql(f"select seq_id, anomaly from '{folder / 'hdfs_seqs_2percent.parquet'}'").fetchall()
        self.bad = dict(labels)
        started = time.process_time()
        parser, miner = Parser(), Miner()
        self.records: list[LogRecord] = []
        block_of: dict[str, str] = {}
        for at in range(0, len(rows), 4000):
            part = rows[at : at + 4000]
            events = [
                RawEvent(line, "hdfs", 0, {"host.name": "hdfs"}, f"l{at + n}") for n, (line, _) in enumerate(part)
            ]
            block_of.update((event.id or "", block) for event, (_, block) in zip(events, part, strict=True))
            self.records += miner.process(parser.parse(events))
        self.records += miner.process(parser.flush())
        self.seconds = time.process_time() - started
        texts = {t.id: t for t in miner.templates()}
        for record in self.records:
            while (template := texts[record.template_id]).alias_of:
                record.template_id = template.alias_of
        self.templates = len({r.template_id for r in self.records})
        self.records.sort(key=lambda r: r.timestamp_ns)
        self.block = [block_of[r.id] for r in self.records]
        self.order = list(dict.fromkeys(self.block))
        self.counts: dict[str, Counter[str]] = {block: Counter() for block in self.order}
        self.first_ns: dict[str, int] = {}
        for record, block in zip(self.records, self.block, strict=True):
            self.counts[block][record.template_id] += 1
            self.first_ns.setdefault(block, record.timestamp_ns)

    def lines(self, blocks: Iterable[str], until_ns: int = FOREVER, from_ns: int = 0) -> list[LogRecord]:
        chosen = set(blocks)
        return [
            r
            for r, block in zip(self.records, self.block, strict=True)
            if block in chosen and from_ns <= r.timestamp_ns < until_ns
        ]


def detect(train: Sequence[LogRecord], test: Sequence[LogRecord], *, whole: bool) -> dict[str, str]:
    """Blocks of the test lines that deviate, and how. ``whole``: training blocks end where their lines do; else those
    that are open at the end of training are not learnt."""
    options = SessionAnomalyOptions(
        idle_s=2 * DAY_S, max_open=100_000, warmup_sessions=10**9, learn_sessions=10**9,
        min_share=0.0,  # all that training has is normal, however rare
    )  # fmt: skip
    found: dict[str, str] = {}

    def ended(block: str, session: Session, deviation: Deviation | None) -> None:
        if deviation is not None:
            found[block] = deviation.kind

    detector = SessionAnomaly(options)
    # Which parameter is the block is found on the first lines; they come again, so that no block is cut in two.
    collector = FactCollector()
    run(list(train[:20_000]), collector, SessionAnomaly(options))
    run(train, collector, detector, learn_open=whole)
    detector.options = replace(options, warmup_sessions=0, learn_sessions=0)  # from here on it adapts by itself
    detector.observe = ended
    run(test, collector, detector)
    return found


def run(
    lines: Sequence[LogRecord], collector: FactCollector, detector: SessionAnomaly, learn_open: bool = True
) -> None:
    windows = Windows(WindowOptions(max_gap_s=3600), collector)
    for at in range(0, len(lines), 4000):
        windows.add(lines[at : at + 4000])
    end_ns = 0
    for window in windows.closed(FOREVER):
        detector.learn(window)
        end_ns = window.end_ns
    detector.finish(end_ns, learn=learn_open)


# -- simple baselines -------------------------------------------------------------------------------------


def unseen_set(train: Sequence[Counter[str]], test: Sequence[Counter[str]]) -> np.ndarray:
    known = {frozenset(counts) for counts in train}
    return np.array([frozenset(counts) not in known for counts in test])


def matrix(rows: Sequence[Counter[str]], names: Sequence[str]) -> np.ndarray:
    return np.log1p(np.array([[counts[name] for name in names] for counts in rows], dtype=float))


def by_score(score: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    def judge(train: Sequence[Counter[str]], test: Sequence[Counter[str]]) -> np.ndarray:
        names = sorted({name for counts in [*train, *test] for name in counts})
        own, other = score(matrix(train, names), matrix(test, names))
        return other > np.quantile(own, 0.995)

    return judge


def knn(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest distinct vector of training; a training vector that others share is at 0 from them."""
    from sklearn.neighbors import NearestNeighbors

    unique, times = np.unique(train, axis=0, return_counts=True)
    model = NearestNeighbors(n_neighbors=2).fit(unique)
    apart = model.kneighbors(unique)[0][:, 1]
    own = np.repeat(np.where(times > 1, 0.0, apart), times)
    return own, model.kneighbors(test, n_neighbors=1)[0][:, 0]


def pca(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.decomposition import PCA

    model = PCA(n_components=0.95, svd_solver="full").fit(train)

    def residual(rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows - model.inverse_transform(model.transform(rows)), axis=1)

    return residual(train), residual(test)


def forest(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(random_state=0).fit(train)
    return -model.score_samples(train), -model.score_samples(test)


BASELINES: dict[str, Callable] = {
    "unseen event set": unseen_set,
    "kNN of log counts": by_score(knn),
    "PCA of log counts": by_score(pca),
    "isolation forest": by_score(forest),
}


def figures(flagged: Iterable[str], blocks: Blocks, test: Sequence[str]) -> tuple[float, float, float]:
    """(precision, recall, F1) over the test blocks."""
    found = set(flagged)
    hit = sum(blocks.bad[block] for block in found)
    bad = sum(blocks.bad[block] for block in test)
    precision, recall = hit / max(len(found), 1), hit / max(bad, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def shown(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:8.3f}" for number in numbers)


def splits(blocks: Blocks, seeds: int) -> Iterable[tuple[str, list[str], list[str], int]]:
    """(name, training blocks, test blocks, time before which training lines must lie)."""
    for seed in range(1, seeds + 1):
        mixed = random.Random(seed).sample(blocks.order, len(blocks.order))
        half = len(mixed) // 2
        test = set(mixed[half:])
        yield f"random half, seed {seed}", mixed[:half], [b for b in blocks.order if b in test], FOREVER
    for share in (0.3, 0.5):
        at = int(share * len(blocks.order))
        train, test = blocks.order[:at], blocks.order[at:]
        yield f"first {share:.0%} by time", train, test, FOREVER
        yield f"first {share:.0%}, as of then", train, test, blocks.first_ns[test[0]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, default=3, help="random splits")
    parser.add_argument("--verbose", action="store_true", help="how the found blocks deviate")
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        sys.exit(f"no data at {asked.folder}: give the folder that holds hdfs_events_2percent.parquet")
    blocks = Blocks(asked.folder)
    print(f"{len(blocks.records):,} lines, {len(blocks.order):,} blocks, {sum(blocks.bad.values())} anomalous; "
          f"{blocks.templates} templates; parsing and mining {blocks.seconds:.1f} s CPU\n")  # fmt: skip
    print(f"{'split':26} {'method':20} precision recall    F1")
    for name, train, test, until_ns in splits(blocks, asked.seeds):
        normal = [block for block in train if not blocks.bad[block]]
        started = time.process_time()
        found = detect(blocks.lines(normal, until_ns), blocks.lines(test), whole=until_ns == FOREVER)
        spent = time.process_time() - started
        print(f"{name:26} {'logsense':20} {shown(figures(found, blocks, test))}  {spent:.0f} s CPU")
        if asked.verbose:
            for bad in (True, False):
                kinds = Counter(kind for block, kind in found.items() if blocks.bad[block] is bad)
                print(f"    {'found' if bad else 'false'}: {dict(kinds)}")
        if until_ns != FOREVER:
            continue
        rows = [blocks.counts[block] for block in normal], [blocks.counts[block] for block in test]
        for method, judge in BASELINES.items():
            flagged = [block for block, bad in zip(test, judge(*rows), strict=True) if bad]
            print(f"{'':26} {method:20} {shown(figures(flagged, blocks, test))}")


if __name__ == "__main__":
    main()
