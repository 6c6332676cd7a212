"""The log detector on synthetic streams: what must be found, and what must not."""

import random
import sqlite3

import pytest

from logsense.detect import LogAnomaly, LogAnomalyOptions
from logsense.detect.windows import SECOND

from .scenes import T0, cut, line, signals_of, traffic


def test_a_quiet_hour_stays_quiet():
    signals = signals_of(cut(traffic(7200, random.Random(1))), LogAnomaly())
    assert [s.text for s in signals] == []


def test_repeated_new_errors_are_found_within_one_window():
    error = 'could not extend file "base/1": No space left on device'
    records = [*traffic(1200, random.Random(2)), *(line(903 + i, "enospc", error, level="error") for i in range(60))]
    signals = signals_of(cut(records), LogAnomaly())
    kinds = {s.kind for s in signals}
    assert {"log.new", "log.severity"} <= kinds
    first = min(signals, key=lambda s: s.end_ns if s.kind == "log.new" else 2**62)
    assert first.start_ns == T0 + 900 * SECOND
    assert first.evidence[0].startswith("line:enospc@") and "template:enospc" in first.evidence
    severity = [s for s in signals if s.kind == "log.severity"]
    assert len(severity) == 1, "one episode is one signal"
    assert severity[0].end_ns >= T0 + 960 * SECOND and "No space left" in severity[0].text


def test_one_mistyped_statement_is_weak_evidence_and_news_of_normal_work_none():
    records = [
        *traffic(1800, random.Random(3)),
        line(1201, "typo", 'column "totl" does not exist', level="error"),
        line(1401, "backup", "nightly backup started"),
        line(1501, "backup2", "nightly backup finished, 1 archive kept"),
    ]
    signals = signals_of(cut(records), LogAnomaly())
    assert not [s for s in signals if s.template_id.startswith("backup")]
    assert all(s.score < 4 for s in signals)


def test_a_message_that_becomes_frequent():
    records = [*traffic(1500, random.Random(4)), *(line(1200 + i / 20, "get", "GET / -> 200") for i in range(1200))]
    signals = signals_of(cut(records), LogAnomaly())
    assert any(s.kind == "log.rate" and s.template_id == "get" and s.value > 5 * s.expected for s in signals)


def test_server_errors_behind_one_access_template():
    rng = random.Random(5)
    records = list(traffic(1500, rng, host="web1", service="nginx"))
    for number, one in enumerate(records):
        bad = 1200 <= (one.timestamp_ns - T0) / SECOND < 1260 and one.template_id == "get"
        one.fields["http.response.status_code"] = 502 if bad or number % 400 == 7 else 200
    signals = signals_of(cut(records), LogAnomaly())
    assert [s.kind for s in signals] == ["log.severity"]
    assert signals[0].start_ns == T0 + 1200 * SECOND


def test_a_crash_loop_names_the_unit():
    records = list(traffic(1200, random.Random(6)))
    for number in range(8):
        at = 900 + number * 6
        for template, text in (
            ("exit", "report-worker.service: Main process exited, code=exited, status=1/FAILURE"),
            ("fail", "report-worker.service: Failed with result 'exit-code'."),
            ("again", f"report-worker.service: Scheduled restart job, restart counter is at {number}."),
        ):
            records.append(line(at, template, text, service="systemd", level=""))
    signals = signals_of(cut(records), LogAnomaly())
    units = [s for s in signals if s.kind == "log.unit"]
    assert units and {s.service for s in units} == {"report-worker"}


def test_silence_of_a_regular_message_and_of_a_whole_service():
    other = list(traffic(1500, random.Random(7), host="db2", service="other"))
    beats = [line(at, "beat", "heartbeat ok", host="db2", service="other") for at in range(0, 1200, 10)]
    gone = [r for r in traffic(1500, random.Random(8)) if r.timestamp_ns < T0 + 1200 * SECOND]
    signals = signals_of(cut([*other, *beats, *gone]), LogAnomaly())
    silent = {(s.host, s.template_id): s for s in signals if s.kind == "log.silence"}
    assert ("db2", "beat") in silent
    assert ("db1", "") in silent and ("db1", "get") not in silent, "a silent service is one signal, not one a template"
    assert silent["db2", "beat"].start_ns == T0 + 1200 * SECOND


def test_a_lasting_change_becomes_normal():
    options = LogAnomalyOptions(adopt_after_s=300)
    change = [line(1200 + i / 10, "new-normal", "request failed: timeout", level="error") for i in range(36_000)]
    detector, late = LogAnomaly(options), []
    for window in cut([*traffic(4800, random.Random(9)), *change]):
        late += [s for s in detector.score(window) if window.start_ns > T0 + 1800 * SECOND]
        detector.learn(window)
    assert late == []


def test_nothing_is_said_during_the_warm_up():
    panic = [line(60 + i, "panic", "PANIC: could not write to log", level="alert") for i in range(20)]
    assert signals_of(cut([*traffic(150, random.Random(10)), *panic]), LogAnomaly()) == []


def test_the_first_words_of_the_kernel_on_a_watched_host_count():
    killed = [line(900, "oom", "Memory cgroup out of memory: Killed process 7 (app)", service="kernel", level="")]
    signals = signals_of(cut([*traffic(1200, random.Random(11)), *killed]), LogAnomaly())
    assert {"log.unit", "log.severity"} <= {s.kind for s in signals}


def test_state_survives_a_restart():
    windows = cut([*traffic(1500, random.Random(12)), *(line(1300 + i, "bad", "fatal: disk full") for i in range(50))])
    whole, before = LogAnomaly(), LogAnomaly()
    expected = signals_of(windows, whole)
    first = signals_of(windows[:100], before)
    db = sqlite3.connect(":memory:")
    before.save(db)
    after = LogAnomaly()
    after.load(db)
    found = {s.id: s for s in [*first, *signals_of(windows[100:], after)]}
    assert list(found.values()) == expected
    db.close()


def test_memory_is_bounded():
    options = LogAnomalyOptions(max_keys=200)
    detector = LogAnomaly(options)
    for window in cut(line(i / 10, f"t{i}", f"unique text {i}") for i in range(5000)):
        detector.score(window)
        detector.learn(window)
    assert len(detector._states) <= 200 and len(detector._known) <= 400 and len(detector._gravity) <= 200


@pytest.mark.parametrize("text", ["", "\x00" * 50, "\\xff\\xfe", "x" * 10_000_000, "{`}" * 100])
def test_any_content(text):
    records = [*traffic(600, random.Random(13)), *(line(500 + i, "odd", text, level="error") for i in range(50))]
    signals = signals_of(cut(records), LogAnomaly())
    assert signals and all(len(s.text) < 300 for s in signals)


@pytest.mark.parametrize("period", [20, 60, 300])
def test_a_heartbeat_is_missed_after_two_periods_on_its_own_host_only(period):
    rng, hours = random.Random(13), 50 * period
    records = []
    for host in ("db1", "db2"):
        records += traffic(hours, rng, host=host)
        end = hours - 10 * period if host == "db2" else hours
        records += [line(at + rng.uniform(0, 2), "beat", "heartbeat ok", host=host) for at in range(0, end, period)]
    silent = [s for s in signals_of(cut(records), LogAnomaly()) if s.kind == "log.silence"]
    assert {(s.host, s.template_id) for s in silent} == {("db2", "beat")}
    detector, told = LogAnomaly(), []
    for window in cut(records):
        told += [window.end_ns for s in detector.score(window) if s.kind == "log.silence"]
        detector.learn(window)
    late_s = (min(told) - T0) / SECOND - (hours - 11 * period)
    assert late_s <= 4 * period + 40, "known within a few periods"


def test_a_single_lost_beat_and_a_late_one_are_no_silence():
    rng, records = random.Random(14), list(traffic(4800, random.Random(15)))
    for number in range(80):
        if number != 50:
            late = 25 if number == 60 else rng.uniform(0, 3)
            records.append(line(number * 60 + late, "beat", "heartbeat ok"))
    assert [s.text for s in signals_of(cut(records), LogAnomaly()) if s.kind == "log.silence"] == []
