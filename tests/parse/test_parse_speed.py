"""Throughput of parsing and redaction on one core, printed; the floors only catch an accident."""

from __future__ import annotations

import time

import pytest

from logsense.parse import Parser, Redactor
from logsense.record import LogRecord, RawEvent

NOW = 1_795_550_400 * 10**9
LINES = {
    "java": "2026-11-24 19:{m:02d}:{s:02d},{n:03d} INFO [main] org.example.Block: Took block blk_{n}1 from /10.0.0.{s}",
    "syslog": "Nov 24 19:{m:02d}:{s:02d} web1 sshd[{n}]: Failed password for root from 10.0.0.{s} port 4{n} ssh2",
    "access": '10.0.0.{s} - - [24/Nov/2026:19:{m:02d}:{s:02d} +0000] "GET /a/{n}?b={n} HTTP/1.1" 200 {n} "-" "curl/8"',
    "redis": "12257:M 24 Nov 2026 19:{m:02d}:{s:02d}.{n:03d} - Accepted 127.0.0.1:3{n}",
    "json": '{{"level":"info","ts":17955476{s:02d}.{n},"msg":"request done","path":"/a/{n}","status":200}}',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINES)
def test_throughput(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [LINES[kind].format(m=n // 600 % 60, s=n // 10 % 60, n=n % 1000) for n in range(20_000)]
    events = [RawEvent(line, kind, NOW, {}, str(n)) for n, line in enumerate(lines)]
    parser, redactor, best, best_redact = Parser(), Redactor(), 0.0, 0.0
    for _ in range(3):
        started = time.process_time()
        records: list[LogRecord] = []
        for start in range(0, len(events), 2000):
            records += parser.parse(events[start : start + 2000])
        records += parser.flush()
        best = max(best, len(events) / (time.process_time() - started))
        started = time.process_time()
        redactor.process(records)
        best_redact = max(best_redact, len(records) / (time.process_time() - started))
    assert {record.outcome for record in records} == {"parsed"}
    with capsys.disabled():
        print(f"\n{kind:8} parse {best:10,.0f} lines/s   redact {best_redact:10,.0f} records/s")
    assert best > 15_000
    assert best_redact > 30_000
