"""Scans, floods, failing DNS, beacons and new talkers in traffic of an office of thirty machines."""

import random
from pathlib import Path

import pytest

from logsense.detect import FOREVER, NetworkAnomaly, Windows
from logsense.parse import Parser
from logsense.record import LogRecord, RawEvent

S = 1_000_000_000
T0 = 1_764_000_000 * S
ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "real" / "network"


def flow(at: float, source: str, target: str, port: int) -> LogRecord:
    return LogRecord(f"f{source}-{target}-{port}@{at:.3f}", T0 + int(at * S), "ACCEPT", "t", 0, "fw1", "firewall",
                     "info", "p", template_id="flow", fields={"source.ip": source, "destination.ip": target,
                                                              "destination.port": port})  # fmt: skip


def answer(at: float, client: str, name: str, code: str) -> LogRecord:
    return LogRecord(f"d{client}-{name}@{at:.3f}", T0 + int(at * S), "reply", "t", 0, "ns1", "named", "info", "p",
                     template_id="reply", fields={"source.ip": client, "dns.question.name": name,
                                                  "dns.response_code": code})  # fmt: skip


def office(seconds: int, rng: random.Random):
    """Thirty clients that browse, ask a database, a mail server and a name server; a monitor that checks all servers
    every half a minute; the internet in small numbers of ever new addresses."""
    at = 0.0
    while at < seconds:
        at += rng.expovariate(3.0)
        client = f"10.0.0.{rng.randint(10, 39)}"
        target, port = rng.choice((("10.0.1.1", 443), ("10.0.1.1", 443), ("10.0.1.2", 5432), ("10.0.1.3", 25)))
        yield flow(at, client, target, port)
        if rng.random() < 0.2:
            yield flow(at, client, f"203.0.113.{rng.randint(1, 254)}", 443)
        if rng.random() < 0.4:
            missing = rng.random() < 0.05
            yield answer(at, client, f"w{rng.randint(1, 99)}.test", "NXDOMAIN" if missing else "NOERROR")
    for tick in range(0, seconds, 30):
        for number in (1, 2, 3):
            yield flow(tick + rng.random(), "10.0.0.5", f"10.0.1.{number}", 22)


def run(lines) -> list:
    detector, windows, found = NetworkAnomaly(), Windows(), {}
    windows.add(sorted(lines, key=lambda line: line.timestamp_ns))
    for window in windows.closed(FOREVER):
        found |= {signal.id: signal for signal in detector.score(window)}
        detector.learn(window)
    return list(found.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_an_ordinary_office_raises_nothing(seed):
    assert [signal.text for signal in run(office(5400, random.Random(seed)))] == []


def test_a_port_scan_and_a_host_scan():
    ports = [flow(3000 + n / 10, "10.0.0.12", "10.0.1.2", 1000 + n) for n in range(200)]
    hosts = [flow(3600 + n / 5, "10.0.0.13", f"10.0.2.{n}", 445) for n in range(100)]
    found = [s for s in run([*office(4200, random.Random(3)), *ports, *hosts]) if s.kind == "net.scan"]
    said = " | ".join(s.text for s in found)
    assert "10.0.0.12 contacted" in said and "ports" in said
    assert "10.0.0.13 contacted" in said and "hosts" in said
    assert {s.text.split()[0] for s in found} == {"10.0.0.12", "10.0.0.13"}
    assert all(s.evidence[0].startswith("line:f10.0.0.1") for s in found)


def test_a_flood_names_its_target():
    flood = [flow(3000 + n / 100, f"198.51.100.{n % 200}", "10.0.1.1", 443) for n in range(4000)]
    found = [s for s in run([*office(3600, random.Random(4)), *flood]) if s.kind == "net.flood"]
    assert found and all("10.0.1.1 port 443 contacted" in s.text and "sources" in s.text for s in found)


def test_failing_name_lookups_name_the_client_and_the_code():
    broken = [answer(3000 + n / 4, "10.0.0.20", "api.partner.test", "SERVFAIL") for n in range(240)]
    found = [s for s in run([*office(3600, random.Random(5)), *broken]) if s.kind == "net.dns"]
    assert any("SERVFAIL to 10.0.0.20 for api.partner.test" in s.text for s in found)


def test_a_beacon_is_told_from_people_and_from_known_monitoring():
    rng = random.Random(6)
    beacon = [flow(1200 + n * 60 + rng.uniform(-2, 2), "10.0.0.30", "192.0.2.66", 8443) for n in range(40)]
    person = [flow(1200 + rng.random() * 2400, "10.0.0.31", "192.0.2.77", 8443) for n in range(40)]
    found = [s for s in run([*office(3600, rng), *beacon, *person]) if s.kind == "net.beacon"]
    assert [s.text.partition(" every ")[0] for s in found] == ["10.0.0.30 contacts 192.0.2.66 port 8443"]
    assert "every 59" in found[0].text or "every 60" in found[0].text


def test_a_new_talker_is_told_where_they_are_rare():
    odd = [flow(4000, "10.0.0.99", "10.0.1.2", 5432)]
    found = [s for s in run([*office(4500, random.Random(7)), *odd]) if s.kind == "net.talker"]
    assert [s.text for s in found] in ([], ["10.0.0.99 contacts 10.0.1.2 port 5432, which it never did before"])
    few = [flow(at, f"10.0.0.{at % 3}", "10.0.1.9", 22) for at in range(0, 80_000, 7)]
    (one,) = [s for s in run([*few, flow(79_000, "10.0.0.66", "10.0.1.9", 22)]) if s.kind == "net.talker"]
    assert "10.0.0.66 contacts 10.0.1.9 port 22" in one.text


@pytest.mark.parametrize("name", ["tshark_dns.txt", "bind9_query.log"])
def test_real_captures_are_understood(name):
    if not (REAL / name).is_file():
        pytest.skip(f"{REAL / name} is not here")
    parser = Parser()
    lines = (REAL / name).read_text(encoding="utf-8").splitlines()
    records = parser.parse([RawEvent(line, f"tail:{name}", 0, {}, f"l{n}") for n, line in enumerate(lines)])
    windows = Windows()
    windows.add([*records, *parser.flush()])
    flows = [row for window in windows.closed(FOREVER) for row in window.facts.flows]
    assert flows and {row.source for row in flows} == {"127.0.0.1"}
