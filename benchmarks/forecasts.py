"""Forecasts on faults that have precursors: per onset, in quiet time, beside simpler forecasters and chance.

    python -m benchmarks.forecasts --train samples/onsets/seed-1.tar.xz --test samples/onsets/seed-2.tar.xz

Recordings go through the real pipeline and the service's own forecaster. Thresholds of the simpler forecasters are
chosen on the training take, where they may have as many false alarms as the service had there; all figures are of
the others. ``--test`` may also name folders without any fault: their time counts as quiet.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import forecast_score as fs
from logsense.config import Settings
from logsense.pipeline import model_in_use
from logsense.predict.baselines import BASELINES
from logsense.predict.options import ForecastOptions

EDGES = (0.0, 0.05, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def courses_of(
    paths: Sequence[Path], options: ForecastOptions, cache: Path | None, *, trained: bool
) -> list[fs.Course]:
    model = model_in_use(Path("no-data-folder")) if trained else None
    out: list[fs.Course] = []
    for path in paths:
        windows, failures = fs.windows_of(path, Settings(), cache)
        out += fs.follow(path.name.removesuffix(".tar.xz"), windows, failures, options, model)
    return out


def per_day(count: int, days: float) -> str:
    """A rate with its exact 95 % interval (Garwood 1936)."""
    from scipy.stats import chi2

    low = chi2.ppf(0.025, 2 * count) / 2 / days if count else 0.0
    high = chi2.ppf(0.975, 2 * (count + 1)) / 2 / days
    return f"{count / days:.1f} a host-day ({low:.1f} to {high:.1f})"


def show_onsets(result: fs.Score) -> None:
    print(f"{'onset':38} {'recording':9} {'precursor':>9} {'lead':>6} {'time told':>10}  because")
    for told in sorted(result.told, key=lambda t: (t.failure.kind, t.failure.host)):
        lead = "missed" if told.lead_s is None else f"{told.lead_s:.0f} s"
        error = "" if told.eta_error_s is None else f"{told.eta_error_s:+.0f} s"
        mark = "" if told.good else " *"
        head = f"{told.failure.id:38} {told.recording:9} {told.precursor_s:7.0f} s {lead + mark:>8} {error:>9}"
        print(f"{head}  {told.why[:90]}")


def show_kinds(result: fs.Score) -> None:
    groups: dict[str, list[fs.Told]] = defaultdict(list)
    for told in result.told:
        groups[told.failure.kind].append(told)
    print(
        f"\n{'kind':24} {'onsets':>6} {'in time':>7} {'median lead':>11} {'of precursor':>12} {'error of the time':>17}"
    )
    for kind, rows in sorted(groups.items()):
        leads = [t.lead_s for t in rows if t.lead_s is not None]
        shares = [t.lead_s / t.precursor_s for t in rows if t.lead_s is not None and t.precursor_s]
        errors = [abs(t.eta_error_s) / t.lead_s for t in rows if t.eta_error_s is not None and t.lead_s]
        error = f"{100 * np.median(errors):.0f} % of the lead" if errors else "no time told"
        print(f"{kind:24} {len(rows):6} {sum(t.good for t in rows):7} {_median(leads, ' s'):>11} "
              f"{_median([100 * s for s in shares], ' %'):>12} {error:>17}")  # fmt: skip


def show_scores(results: Sequence[fs.Score], thresholds: dict[str, float]) -> None:
    print(f"\n{'forecaster':22} {'threshold':>9} {'in time':>8} {'announced':>9} {'median lead':>11}  false alarms")
    for r in results:
        leads = [t.lead_s for t in r.told if t.lead_s is not None]
        bar = f"{thresholds[r.title]:.3f}" if r.title in thresholds else "own"
        print(f"{r.title:22} {bar:>9} {r.recall:8.2f} {r.announced:4}/{len(r.told):<4} {_median(leads, ' s'):>11}  "
              f"{len(r.false)}: {per_day(len(r.false), r.quiet_days)}")  # fmt: skip


def show_staged(result: fs.Score, paths: Sequence[Path]) -> None:
    """How many of the false alarms were raised by look-alikes that the recordings staged on purpose."""
    events = {path.name.removesuffix(".tar.xz"): fs.staged(path) for path in paths}
    inside = sum(
        any(host == h and begin <= at <= end + 30 * fs.SECOND for h, begin, end in events.get(recording, []))
        for recording, host, at, _ in result.false
    )
    print(f"{'':22} {inside} of them in {sum(map(len, events.values()))} staged harmless look-alikes; "
          f"elsewhere {len(result.false) - inside}: "
          f"{per_day(len(result.false) - inside, result.quiet_days)}")  # fmt: skip


def _median(values: Sequence[float], unit: str) -> str:
    return f"{np.median(values):.0f}{unit}" if values else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="recordings that thresholds are chosen on")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="recordings that are scored")
    parser.add_argument("--horizon", type=int, default=300, help="how far the forecasts look, in seconds (default 300)")
    parser.add_argument("--without-model", action="store_true", help="trends and dates alone")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the pipeline made of the recordings")
    args = parser.parse_args()
    options = ForecastOptions(horizon_s=args.horizon, emit_every_s=0)
    train = courses_of(args.train, options, args.cache, trained=not args.without_model)
    test = courses_of(args.test, options, args.cache, trained=not args.without_model)
    own = fs.score(train, fs.SERVED, 0.0, options)
    print(f"training takes: {own.recall:.2f} in time of {len(own.told)}, {len(own.false)} false alarms in "
          f"{own.quiet_days:.2f} quiet host-days")  # fmt: skip
    thresholds = {title: fs.best_threshold(train, title, max(1, len(own.false)), options) for title in BASELINES}
    result = fs.score(test, fs.SERVED, 0.0, options)
    hosts = {(c.recording, c.host) for c in test}
    print(f"test: {len(result.told)} onsets on {len(hosts)} hosts, {result.quiet_days:.2f} quiet host-days\n")
    show_onsets(result)
    print("* missed, or later than a minute before the failure and in the second half of its precursor")
    show_kinds(result)
    show_scores([result, *(fs.score(test, title, thresholds[title], options) for title in BASELINES)], thresholds)
    show_staged(result, args.test)
    null = fs.null_recall(test, result, options)
    better = float(np.mean([n >= result.recall for n in null]))
    print(f"{'shifted in time (null)':22} {'own':>9} {np.mean(null):8.2f}    at best {max(null):.2f}, p {better:.3f}")
    if result.false:
        print("\nfalse alarms:", *(f"\n  {r} {h} {_clock(at)}  {why[:100]}" for r, h, at, why in result.false))
        print("by reason:", dict(Counter(why.split(" ")[0] for *_, why in result.false)))
    print("\ntold      happened   steps   (forecasts within their own horizon)")
    for row in fs.reliability(test, EDGES):
        print(f"{row['told']:.2f}      {row['came']:.2f}     {row['steps']:7}")


def _clock(at_ns: int) -> str:
    return str(np.datetime64(at_ns, "ns").astype("datetime64[s]"))[11:]


if __name__ == "__main__":
    main()
