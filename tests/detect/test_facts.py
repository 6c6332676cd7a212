"""What is taken from single lines: identifiers, amounts, codes, statements, contacts; bounded and saved."""

import random
import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from logsense.detect import FOREVER, FactCollector, FactOptions, Windows
from logsense.detect.facts import KINDS, sampled
from logsense.detect.identifiers import looks_like_one
from logsense.detect.slots import amount, slots
from logsense.record import LogRecord

S = 1_000_000_000
T0 = 1_764_000_000 * S


def record(number: int, template: str, parameters: list[str], at_s: float = 0.0, **fields) -> LogRecord:
    return LogRecord(f"l{number}", T0 + int(at_s * S), template, "t", 0, "h", "app", "info", "p", template_id=template,
                     parameters=parameters, fields=fields)  # fmt: skip


def test_what_has_a_range_is_told_by_the_words_around_it():
    def kinds(text: str) -> list[tuple[int, str, str]]:
        return [(slot.position, slot.kind, slot.unit) for slot in slots(text)]

    assert kinds("request <*> took <*> ms, sent <*> bytes to <*>:<*>") == [(1, "amount", "ms"), (2, "amount", "bytes")]
    assert kinds("size=<*> user=<*> port <*>") == [(0, "amount", "")]
    assert kinds("worker <*> exited with code <*>") == [(1, "code", "")]
    assert kinds("connect failed errno=<*> (pid <*>)") == [(0, "code", "")]
    assert kinds("job <*> in shard <*> of <*>") == [] and kinds("no parameter") == []


def test_amounts_respect_their_units():
    assert amount("1.5ms") == 0.0015 and amount("2s") == 2.0 and amount("4 KB") == 4096.0 and amount("17") == 17.0
    assert amount("abc") is None and amount("nan") is None and amount("1e999") is None and amount("9" * 400) is None


def test_forms_of_identifiers():
    for good in ("blk_-1608999687919862906", "4bf92f3577b34da6", "123e4567-e89b-12d3-a456-426614174000", "8412345"):
        assert looks_like_one(good), good
    for bad in ("10.0.0.1", "10.250.19.102:54106", "1795547614", "1795547614123", "12:30:11", "2026-11-24", "1.22.1",
                "150ms", "worker", "42", "x" * 500):  # fmt: skip
        assert not looks_like_one(bad), bad


def test_identifiers_are_found_because_other_messages_share_them():
    rng, collector = random.Random(1), FactCollector()
    windows, number = Windows(collector=collector), 0
    for batch in range(8):
        records = []
        for at in range(150):
            block, serial = f"blk_{batch}{at:04d}77", rng.randrange(10**8, 10**9)
            for template, parameters in (("open", [block]), ("write", [str(serial), block]), ("close", [block])):
                number += 1
                records.append(record(number, template, parameters, batch))
        records.append(record(number + 10_000, "rare", ["10.0.0.1", f"blk_{batch}000077"], batch))
        windows.add(records)
    assert set(collector.identifiers.state()) == {"open", "write", "close"}
    assert collector.identifiers.state()["write"] == 1, "a serial number that no other message has is no identifier"
    (window,) = windows.closed(FOREVER)
    rare = [step.session for step in window.facts.steps if step.template == "rare"]
    assert rare and all(session.startswith("blk_") for session in rare), "rare lines join by a known identifier"


def test_lines_without_identifiers_make_no_steps():
    rng, windows = random.Random(2), Windows()
    for at in range(3000):
        windows.add([record(at, rng.choice("abc"), [str(rng.randrange(10**8, 10**9)), f"10.0.0.{rng.randint(1, 9)}"])])
    (window,) = windows.closed(FOREVER)
    assert window.facts.steps == []


def test_sessions_are_sampled_whole_when_there_are_too_many():
    collector = FactCollector(FactOptions(max_steps=1000))
    windows = Windows(collector=collector)
    for at in range(0, 6000, 500):
        windows.add([record(n, "ab"[n % 2], [], **{"trace.id": f"t{n // 2}"}) for n in range(at, at + 500)])
    (window,) = windows.closed(FOREVER)
    assert collector.modulus >= 4 and len(window.facts.steps) <= 1000
    sizes = {s: sum(step.session == s for step in window.facts.steps) for s in {x.session for x in window.facts.steps}}
    assert set(sizes.values()) == {2} and all(sampled(session, collector.modulus) for session in sizes)


def test_rows_survive_a_restart_and_are_appended():
    texts = {"took": "took <*> ms", "exit": "exit code <*>"}

    def lines(start: int) -> list[LogRecord]:
        out = []
        for n in range(start, start + 20):
            out.append(record(n, "took", [str(n)], n / 10, **{"trace.id": f"t{n}"}))
            out.append(record(n + 1000, "exit", ["1"], n / 10))
            out.append(record(n + 2000, "sql", [], n / 10, **{"db.query.fingerprint": "f", "event.duration": 5 * S}))
            out.append(record(n + 3000, "fw", [], n / 10, **{"source.ip": "a", "destination.ip": "b",
                                                             "destination.port": 1}))  # fmt: skip
            out.append(record(n + 4000, "dns", [], n / 10, **{"source.ip": "a", "dns.response_code": "NXDOMAIN"}))
        return out

    db = sqlite3.connect(":memory:")
    before = Windows(collector=FactCollector(text_of=texts.get))
    before.add(lines(0))
    before.save(db)
    before.add(lines(20))
    before.save(db)
    after = Windows(collector=FactCollector(text_of=texts.get))
    after.load(db)
    (one,), (two,) = before.closed(FOREVER), after.closed(FOREVER)
    assert one.facts == two.facts and all(getattr(one.facts, kind) for kind in KINDS)
    after.save(db)
    assert db.execute("SELECT count(*) FROM windows_facts").fetchone() == (0,)
    db.close()


@given(st.lists(st.tuples(st.text(max_size=30), st.dictionaries(
    st.sampled_from(["trace.id", "source.ip", "destination.ip", "destination.port", "dns.response_code",
                     "db.query.fingerprint", "event.duration", "source.port"]),
    st.one_of(st.none(), st.text(max_size=9), st.integers(), st.floats(), st.lists(st.integers(), max_size=2)),
)), max_size=15))  # fmt: skip
def test_never_raises_on_content(rows):
    collector = FactCollector(text_of=lambda template: "took <*> ms, code <*>")
    windows = Windows(collector=collector)
    windows.add([record(n, "t", [text, text], **fields) for n, (text, fields) in enumerate(rows)])
    db = sqlite3.connect(":memory:")
    windows.save(db)
    db.close()
    assert len(list(windows.closed(FOREVER))) == bool(rows)
