"""What the detectors say about one staged trouble, line by line."""

import random

from logsense.detect import LogAnomaly, MetricAnomaly

from .golden import check
from .scenes import T0, S, cut, line, load, signals_of, traffic


def test_a_filling_disk():
    """Twenty minutes; the disk fills from 900 s on and the database complains from 1000 s on."""
    rng = random.Random(42)
    records = list(traffic(1200, rng, service="postgresql"))
    text = 'could not extend file "base/16384/16450": No space left on device'
    records += [line(1000 + i * 2, "enospc", text, level="error", service="postgresql") for i in range(60)]
    points = list(load(1200, rng))
    for point in points:
        at = (point.timestamp_ns - T0) / S
        if point.name == "system.disk.utilization" and at >= 900:
            point.value = min(1.0, point.value + (at - 900) * 0.007)
    signals = signals_of(cut(records, points), LogAnomaly(), MetricAnomaly())
    check(
        "detect/disk_full.jsonl",
        (
            {"from_s": (s.start_ns - T0) // S, "to_s": (s.end_ns - T0) // S, "kind": s.kind, "score": round(s.score, 1),
             "service": s.service, "text": s.text, "evidence": s.evidence}
            for s in signals
        ),
    )  # fmt: skip
