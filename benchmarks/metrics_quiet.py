"""Alarms a day on quiet metrics against the budget, and how far the scores of the slow view are probabilities.

    PYTHONPATH=. python -m benchmarks.metrics_quiet [--hosts 20] [--days 10] [--seed 1]

Series without any anomaly, of the kinds that servers have: a day's swing with noise, correlated noise, bursts of heavy
tails, small counts, levels that hardly move, constants. The slow view takes one tick each five minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from logsense.detect import MetricAnomalyOptions
from logsense.detect.metric_courses import DAY_S, Courses
from logsense.detect.windows import SECOND, SeriesKey, Window

KINDS = ("swing", "correlated", "bursts", "counts", "level", "constant", "load", "slow")


def course(kind: str, ticks: int, rng: np.random.Generator) -> np.ndarray:
    """Values of a quiet series, (ticks,)."""
    day = 2 * np.pi * (np.arange(ticks) / 288.0 + rng.random())
    noise = rng.normal(0, 1, ticks)
    wander = np.zeros(ticks)
    for at in range(1, ticks):
        wander[at] = 0.9 * wander[at - 1] + noise[at]
    return {
        "swing": 50 + 20 * np.sin(day) + 3 * noise,
        "correlated": 100 + 5 * wander,
        "bursts": rng.lognormal(1.0, 0.8, ticks),
        "counts": rng.poisson(3.0, ticks).astype(float),
        "level": 40 + 0.2 * noise,
        "constant": np.full(ticks, 7.0),
        "load": np.maximum(0.0, 2 + np.sin(day) + 0.3 * wander),
        "slow": 30 + 10 * np.sin(day) + wander,
    }[kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng, ticks = np.random.default_rng(arguments.seed), arguments.days * 288
    keys = [SeriesKey(f"host{h}", kind) for h in range(arguments.hosts) for kind in KINDS]
    values = np.stack([course(key.name, ticks, rng) for key in keys])
    options = MetricAnomalyOptions()
    courses, scores, ids = Courses(options, lambda *_: 0.0), [], set()
    step = options.course_s * SECOND
    for tick in range(ticks):
        window = Window(tick * step, (tick + 1) * step)
        now = dict(zip(keys, values[:, tick].tolist(), strict=True))
        ids |= {(s.id, s.metric if "together" not in s.text else "host") for s in courses.score(window, now)}
        closing = courses._closing(window, now)
        if closing is not None and tick > options.course_probation:
            scores.append(closing.scores[[courses.rows[key] for key in keys]])
        courses.learn(window, now)
    found = np.concatenate(scores)
    judged_days = (ticks - options.course_probation) * options.course_s / DAY_S * arguments.hosts
    print(f"{arguments.hosts} hosts x {len(KINDS)} quiet metrics, {arguments.days} days")
    alone, together = sum(kind != "host" for _, kind in ids), sum(kind == "host" for _, kind in ids)
    print(f"alarms a day and host: {len(ids) / judged_days:.2f} "
          f"({alone / judged_days:.2f} single metrics, {together / judged_days:.2f} the host as a whole), "
          f"budget {options.course_false_alarms_per_day:g}")  # fmt: skip
    print(f"share of time in alarm {100 * courses.share_in_alarm():.2f} %; correction of scores "
          f"{courses.inflation.factor():.2f}")  # fmt: skip
    for level in (1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
        print(f"  scores >= {level}: {np.mean(found >= level):.5f} of ticks, should be at most {10**-level:.5f}")


if __name__ == "__main__":
    main()
