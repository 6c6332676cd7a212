"""Who depends on whom, from real wordings."""

import sqlite3

from logsense.incidents import Dependencies
from logsense.record import LogRecord


def lines(host: str, *messages: str, **fields) -> list[LogRecord]:
    return [
        LogRecord(f"{host}-{n}", n, message, "t", 0, host=host, template_id=message[:20], fields=fields)
        for n, message in enumerate(messages * 4)
    ]


def test_upstreams_clients_and_own_addresses():
    known = Dependencies({"10.0.0.12": "app1"})
    known.learn(
        lines(
            "db1", 'listening on IPv4 address "10.0.0.21", port 5432', "connection received: host=10.0.0.12 port=4000"
        )
    )
    known.learn(
        lines("web1", 'connect() failed while connecting to upstream, upstream: "http://10.0.0.12:8080/", host: "x"')
    )
    known.learn(
        lines(
            "app1",
            'connection to server at "10.0.0.21", port 5432 failed: timeout expired',
            "GET /1.2.3 from 127.0.0.1",
        )
    )
    assert known.edges() == [("app1", "db1"), ("web1", "app1")]
    assert known.related("db1", "app1") and known.related("app1", "web1") and not known.related("web1", "db1")


def test_names_and_fields():
    known = Dependencies()
    known.learn(lines("cache1", "Ready to accept connections"))
    known.learn(lines("lb1", "Server shop/cache1 is UP", "noise"))
    known.learn(lines("app2", "x", **{"host.ip": "10.9.9.9"}))
    known.learn(lines("lb1", "took 3 ms", **{"upstream.address": "10.9.9.9:80"}))
    assert known.edges() == [("lb1", "app2"), ("lb1", "cache1")]


def test_a_host_that_is_named_before_it_is_known():
    known = Dependencies()
    known.learn(lines("db1", "replication connection authorized: user=repl application_name=db2"))
    assert known.edges() == []
    known.learn(lines("db2", 'could not connect: connection to server at "10.0.0.21", port 5432 failed'))
    assert known.edges() == [("db2", "db1")]
    assert known.places() == {"10.0.0.21": "db1"}, "the only host that db2 is known to call"


def test_chance_mentions_and_garbage_make_no_edge():
    known = Dependencies()
    known.learn(lines("a", "x"))
    known.learn(
        [
            LogRecord("1", 1, "see a once", "t", 0, host="b"),
            LogRecord("2", 1, "\x00" * 99 + "9" * 5000, "t", 0, host="b"),
        ]
    )
    assert known.edges() == []


def test_state_round_trip():
    db, known = sqlite3.connect(":memory:"), Dependencies()
    known.learn(lines("app1", "x") + lines("web1", "connect to app1 failed"))
    known.save(db)
    again = Dependencies()
    again.load(db)
    assert again.edges() == known.edges() == [("web1", "app1")]
    db.close()


def test_shared_identifiers_tie_hosts_and_place_an_unknown_address():
    def requests(shift: int) -> list[LogRecord]:
        out = []
        for n in range(200):
            at = n * 1_500_000_000
            path = f"/api/orders/{1000 + n * 7 % 887}"
            out.append(LogRecord(f"w{n}", at, f"GET {path} 200", "t", 0, host="web1", template_id="get"))
            out.append(LogRecord(f"a{n}", at + shift, f"GET {path[4:]} -> 200", "t", 0, host="app1", template_id="get"))
            out.append(
                LogRecord(
                    f"x{n}", at, f"job {n * 13 % 887} took 200 ms port 8080", "t", 0, host="batch", template_id="j"
                )
            )
        return sorted(out, key=lambda record: record.timestamp_ns)

    known = Dependencies()
    for host in ("web1", "app1", "batch"):  # file after file, as when a folder is read
        known.learn([record for record in requests(100_000_000) if record.host == host])
    assert known.edges() == [("app1", "web1"), ("web1", "app1")]
    known.learn(lines("web1", 'connect() failed while connecting to upstream, upstream: "http://10.0.0.12:8080/"'))
    assert known.edges() == [("web1", "app1")]
    apart = Dependencies()
    apart.learn(requests(60_000_000_000))
    assert apart.edges() == [], "the same values minutes apart are no traces of one request"
