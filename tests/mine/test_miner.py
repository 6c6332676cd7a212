"""The mining stage: grouping, identity, state and bounds, on lines as services write them."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from itertools import pairwise

import pytest

from logsense.mine import Miner, MinerOptions, TreeOptions, mine_lines
from logsense.mine.tokens import render, split
from logsense.record import LogRecord


def records(lines, service="svc", level="", start=1_700_000_000_000_000_000):
    return [
        LogRecord(f"l{i}", start + i, line, "test", 0, service=service, level=level) for i, line in enumerate(lines)
    ]


def mined(lines, miner=None, **kwargs):
    miner = miner or Miner()
    return miner, miner.process(records(lines, **kwargs))


def texts(miner):
    by_id = {t.id: t for t in miner.templates()}
    return sorted(t.text for t in by_id.values() if not t.alias_of)


def traffic(n, seed=7):
    """Lines of the kinds that exercise every step: masks, tree, merges, names that vary."""
    r = random.Random(seed)
    names = ["root", "admin", "ann", "bob", "carol", "dave", "erin", "frank", "grace"]
    kinds = [
        lambda: (
            f"Accepted password for {r.choice(names)} from 10.0.1.{r.randrange(256)} port {r.randrange(65536)} ssh2"
        ),
        lambda: f"session opened for user {r.choice(names)} by (uid={r.randrange(9)})",
        lambda: f"link {r.choice(['up', 'down'])} on eth{r.randrange(4)}",
        lambda: f"cache {r.choice(names)} rebuilt in {r.randrange(900)} ms",
        lambda: f"GET /items/{r.randrange(999)} {r.choice([200, 404, 500])}",
        lambda: f"job={r.choice(names)} state={r.choice(['started', 'stopped'])} took={r.randrange(99)}s",
        lambda: f"update t set v={r.randrange(99)} where name='{r.choice(names)} {r.choice(names)}'",
        lambda: f"unexpected {r.choice(names)} {r.choice(names)} thing",
    ]
    return [r.choice(kinds)() for _ in range(n)]


def test_values_share_a_template_and_become_parameters():
    miner, out = mined(
        ["Failed password for root from 10.0.0.1 port 22 ssh2", "Failed password for ann from 10.0.0.2 port 23 ssh2"]
    )
    assert texts(miner) == ["Failed password for <*> from <*> port <*> ssh2"]
    assert out[1].parameters == ["ann", "10.0.0.2", "23"]
    assert out[0].template_id == out[1].template_id


def test_parameters_put_into_the_template_give_the_line_back():
    lines = traffic(500)
    miner = Miner()
    for line in lines:
        (record,) = miner.process(records([line]))
        text = next(t.text for t in miner.templates() if t.id == record.template_id)
        assert text.count("<*>") == len(record.parameters)
        for value in record.parameters:
            text = text.replace("<*>", value, 1)
        assert text == line


STATES = [
    *(
        "started/stopped",
        "up/down",
        "accepted/failed",
        "full/empty",
        "open/closed",
        "success/failure",
        "enabled/disabled",
    ),
    *("connected/disconnected", "healthy/unhealthy", "primary/standby", "granted/denied", "LEADING/FOLLOWING"),
    "onStart/onStop",
]


def test_parameters_of_a_line_with_odd_white_space():
    lines = [
        "  took 5 ms   in pool a1 ",
        "  took 7 ms   in pool b2 ",
        "took\t8 ms in  pool c3",
        "took 9\u00a0ms in pool d4",
    ]
    miner, out = mined(lines)
    assert texts(miner) == ["took <*> ms in pool <*>"]
    assert [record.parameters for record in out[1:]] == [["7", "b2"], ["8", "c3"], ["9", "d4"]]
    (again,) = miner.process(records(["  took 6 ms   in pool e5 "]))
    assert again.parameters == ["6", "e5"]


@pytest.mark.parametrize("pair", STATES)
@pytest.mark.parametrize(
    "frame",
    [
        "service web is now {} on node 7",
        "state={} service=web",
        "status: '{}' of unit web",
        "web moved from idle to {} at once",
    ],
)
def test_state_words_are_never_wildcards(pair, frame):
    one, two = pair.split("/")
    lines = [frame.format(word) for word in (one, two, one, two)]
    miner, out = mined(lines)
    assert out[0].template_id == out[2].template_id != out[1].template_id == out[3].template_id
    assert one in next(t.text for t in miner.templates() if t.id == out[0].template_id)


def test_a_wildcard_does_not_swallow_a_state():
    miner, out = mined(
        [f"disk of host {name} is {name}ish" for name in ("aa", "bb", "cc", "dd", "ee")] + ["disk of host aa is full"]
    )
    assert "full" in next(t.text for t in miner.templates() if t.id == out[-1].template_id)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("node joining the cluster", "node leaving the cluster"),
        ("waiting for lock", "waiting for network"),
        ("switched to battery power", "switched to mains power"),
        ("user pressed the button", "user touched the screen"),
        ("index scan used", "index build used"),
        ("node 7 took 5 seconds to spawn the guest here", "node 7 took 6 seconds to destroy the guest here"),
        ("dns of this host has 4 more IPv4 records", "dns of this host has 4 more IPv6 records"),
        (
            "driver wl0: read_block: remote port of the peer is 4",
            "driver wl0: write_word: remote port of the peer is 5",
        ),
    ],
)
def test_words_of_prose_are_not_values(one, two):
    _, out = mined([one, two])
    assert out[0].template_id != out[1].template_id


def test_a_value_behind_a_colon_says_nothing_of_the_word_behind_the_noun():
    lines = [f"checked package presence for package: {name}" for name in ("vim", "git", "curl")]
    miner, _ = mined(lines)
    assert texts(miner) == ["checked package presence for package: <*>"]


def test_a_full_stop_is_no_value():
    miner, _ = mined(["closed by client SPP.", "closed by client DISM.", "session of client open."])
    assert "closed by client <*>." in texts(miner)
    assert "session of client open." in texts(miner)


def test_after_a_position_became_a_variable_no_value_is_a_birth():
    names = [a + b for a in "abcdefghij" for b in ("lpha", "eta")]
    miner, out = mined([f"Process: {name} [{n}]" for n, name in enumerate(names)])
    assert len(miner.templates()) <= 4
    assert len({record.template_id for record in out[4:]}) == 1
    assert out[-1].parameters == ["jeta", "19"]


def test_who_speaks_becomes_a_variable_only_where_much_else_agrees():
    names = ("mailer", "indexer", "player", "viewer", "painter", "keeper")
    miner, _ = mined([f"{name}: unable to load extension list overrides" for name in names])
    assert texts(miner) == ["<*>: unable to load extension list overrides"]
    miner, _ = mined([f"{name}: restarting now" for name in names])
    assert len(texts(miner)) == len(names)


def test_first_words_that_differ_in_digits_only_are_one_message():
    miner, _ = mined([f"IRQ{n} -> pin" for n in range(3, 30)])
    assert texts(miner) == ["<*> -> pin"]
    miner, _ = mined([f"{name} -> pin" for name in ("alpha", "beta", "gamma", "delta", "eps")])
    assert len(texts(miner)) == 5


def test_two_positions_that_vary_become_variables_one_after_the_other():
    hosts, volumes = ("ares", "zeus", "hera", "iris", "eris"), ("tank", "pond", "lake", "pool9", "sea")
    miner, _ = mined([f"scrubbed {v} completely while {h} slept" for _ in range(2) for h in hosts for v in volumes])
    assert texts(miner) == ["scrubbed <*> completely while <*> slept"]


def test_one_template_for_a_statement_with_other_literals():
    miner, _ = mined(
        [
            "duration: 0.1 ms  statement: INSERT INTO t (a,b) VALUES (1,'x y'),(2,'z')",
            "duration: 7.25 ms  statement: INSERT INTO t (a,b) VALUES (3,'it''s')",
            "duration: 9 ms  statement: SELECT * FROM t WHERE a IN (1, 2, 3) AND b = 'q r'",
            "duration: 9 ms  statement: SELECT * FROM t WHERE a IN (4) AND b = 'other words here'",
        ]
    )
    assert texts(miner) == [
        "duration: <*> ms statement: INSERT INTO t (a,b) VALUES (<*>)",
        "duration: <*> ms statement: SELECT * FROM t WHERE a IN (<*>) AND b = <*>",
    ]


def test_access_log_gives_one_template_per_status():
    r = random.Random(1)
    head = '10.0.0.{} - - [24/Nov/2026:19:14:48 +0000] "GET /items/{}?q={} HTTP/1.1" {} {}'
    lines = [
        head.format(r.randrange(9), r.randrange(99), r.random(), r.choice([200, 404, 502]), r.randrange(9999))
        for _ in range(300)
    ]
    miner, _ = mined(lines)
    assert len(texts(miner)) == 3
    assert all(any(code in text for text in texts(miner)) for code in ("200", "404", "502"))


def test_merge_where_one_position_varies_keeps_an_alias():
    names = ["alpha", "beta", "gamma", "delta", "epsilon"]
    miner, out = mined([f"rebuilding the {name} cache now" for name in names])
    templates = {t.id: t for t in miner.templates()}
    first = templates[out[0].template_id]
    assert first.text == "rebuilding the <*> cache now"
    assert templates[out[1].template_id].alias_of == templates[out[2].template_id].alias_of == first.id
    assert out[3].template_id == out[4].template_id == first.id
    assert sum(t.count for t in templates.values()) == len(names)


def test_a_name_that_varied_once_is_a_variable_everywhere():
    miner, _ = mined(
        ["denied rhost=a user=root", "session start user=ann", "denied rhost=a user=bob", "token issued user=zoe"]
    )
    assert texts(miner) == ["denied rhost=a user=<*>", "session start user=<*>", "token issued user=<*>"]


def test_the_id_survives_a_wider_text_and_the_version_rises():
    miner, (record,) = mined(["login of user root accepted"])
    before = miner.changed()[0]
    mined(["login of user ann accepted"], miner)
    after = miner.changed()[0]
    assert before.id == after.id == record.template_id
    assert (before.text, before.version) == ("login of user root accepted", 1)
    assert (after.text, after.version) == ("login of user <*> accepted", 2)


def test_changed_drains_and_returns_copies():
    miner, _ = mined(["a b c 1", "x y z"])
    first = miner.changed()
    assert [t.count for t in first] == [1, 1]
    assert miner.changed() == []
    mined(["a b c 2"], miner)
    (again,) = miner.changed()
    assert (again.count, first[0].count) == (2, 1)
    again.count = 99
    assert miner.templates()[0].count == 2


def test_template_fields():
    miner = Miner()
    batch = records(["x took 5 ms"] * 3)
    for record, level, at in zip(batch, ("info", "error", "error"), (50, 10, 90), strict=True):
        record.level, record.timestamp_ns = level, at
    miner.process(batch)
    (t,) = miner.changed()
    assert (t.service, t.count, t.first_seen_ns, t.last_seen_ns) == ("svc", 3, 10, 90)
    assert (t.level, t.sample, t.sample_id) == ("error", "x took 5 ms", "l0")


def test_services_do_not_share_templates():
    miner = Miner()
    one = miner.process(records(["ready in 5 ms"], service="a"))[0]
    two = miner.process(records(["ready in 5 ms"], service="b"))[0]
    assert one.template_id != two.template_id


def test_enrichment_is_kept_until_something_newer_comes():
    miner, _ = mined(["login of user root accepted"])
    (t,) = miner.changed()
    t.keywords, t.entities, t.enriched_version = ["login"], ["user:<*>"], 1
    miner.enriched([t])
    mined(["login of user ann accepted"], miner)
    (later,) = miner.changed()
    assert (later.keywords, later.enriched_version, later.version) == (["login"], 1, 2)


# -- identity over restarts and processes -----------------------------------------------------------------------------


def run_with_restarts(lines, batch, restart_every):
    db = sqlite3.connect(":memory:")
    miner = Miner()
    miner.load(db)
    ids = []
    for n, i in enumerate(range(0, len(lines), batch)):
        if restart_every and n and n % restart_every == 0:
            with db:
                miner.save(db)
            miner = Miner()
            miner.load(db)
        ids += [(r.template_id, tuple(r.parameters)) for r in miner.process(records(lines[i : i + batch]))]
    return ids, sorted((t.id, t.text, t.version, t.count, t.alias_of, t.level) for t in miner.templates())


@pytest.mark.parametrize("restart_every", [1, 3, 7])
def test_a_restart_changes_nothing(restart_every):
    lines = traffic(3000)
    assert run_with_restarts(lines, 50, restart_every) == run_with_restarts(lines, 50, 0)


def test_a_restart_changes_nothing_when_the_bounds_are_reached():
    options = MinerOptions(max_templates=12, max_keys=20, line_cache=30, token_cache=40, tree=TreeOptions(max_leaf=3))
    lines = traffic(1500)
    db = sqlite3.connect(":memory:")
    plain, restarted = Miner(options), Miner(options)
    for i in range(0, len(lines), 100):
        expected = [r.template_id for r in plain.process(records(lines[i : i + 100]))]
        assert [r.template_id for r in restarted.process(records(lines[i : i + 100]))] == expected
        with db:
            restarted.save(db)
        restarted = Miner(options)
        restarted.load(db)


def test_batches_of_any_size_give_the_same_ids():
    lines = traffic(1000)
    assert run_with_restarts(lines, 1, 0) == run_with_restarts(lines, 997, 0)


def test_ids_do_not_depend_on_the_process():
    program = (
        "import sys, json; from logsense.mine import mine_lines as m; print(json.dumps(list(m(json.load(sys.stdin)))))"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(traffic(400)),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(json.loads(answers[0])) == 400


def test_save_writes_only_what_changed():
    db = sqlite3.connect(":memory:")
    miner, _ = mined(traffic(500))
    with db:
        miner.save(db)
    before = db.total_changes
    mined([traffic(1, seed=7)[0]], miner)
    with db:
        miner.save(db)
    assert 0 < db.total_changes - before <= 3


def test_save_does_not_commit():
    db = sqlite3.connect(":memory:")
    miner, _ = mined(["a b 1"])
    with db:
        miner.save(db)
    mined(["c d 1"], miner)
    miner.save(db)
    assert db.in_transaction


# -- bounds and bad input ---------------------------------------------------------------------------------------------


def test_counts_always_sum_to_the_lines():
    options = MinerOptions(max_services=2, max_templates=5, max_keys=10, line_cache=20, token_cache=20)
    miner = Miner(options)
    lines = traffic(2000)
    for i, (a, b) in enumerate(pairwise(range(0, 2001, 100))):
        miner.process(records(lines[a:b], service=f"s{i % 4}"))
    templates = miner.templates()
    assert sum(t.count for t in templates) == 2000
    assert max(sum(t.service == s and t.text != "<*>" for t in templates) for s in ("s0", "s1")) <= 5
    assert {t.service for t in templates} == {"s0", "s1", "(other services)"}


def test_free_text_does_not_slow_mining_down():
    """Every line new in two places: the leaf is bounded, so the cost per line is."""
    r = random.Random(3)
    word = lambda: "".join(r.choices("bcdfghjklmnpqrstvwxz", k=9))  # noqa: E731
    miner, out = mined([f"note {word()} about {word()} thing" for _ in range(3000)])
    assert len(miner.templates()) < 300
    assert len({r.template_id for r in out[-500:]}) < 5


def test_free_first_words_are_bounded_too():
    r = random.Random(4)
    options = MinerOptions(tree=TreeOptions(max_children=20, max_leaf=20))
    lines = ["".join(r.choices("bcdfghjklmnpqrstvwxz", k=9)) + " did a thing" for _ in range(400)]
    miner, out = mined(lines, Miner(options))
    assert len(miner.templates()) < 60
    assert len({x.template_id for x in out[-100:]}) == 1


def test_an_alias_names_the_survivor_even_after_further_merges():
    r = random.Random(5)
    options = MinerOptions(tree=TreeOptions(merge_at=2))
    miner = Miner(options)
    for _ in range(40):
        mined([f"plain {r.choice('abc')}q word {r.choice('xyz')}w here {r.choice('mno')}v"], miner)
    templates = {t.id: t for t in miner.templates()}
    aliases = [t for t in templates.values() if t.alias_of]
    assert len(aliases) > 3
    assert all(not templates[t.alias_of].alias_of for t in aliases)
    assert sum(t.count for t in templates.values()) == 40


HOSTILE = [
    "",
    " ",
    "\0",
    "\ud800 lone",
    "a\0b",
    "\\xff\\xfe",
    "<*>",
    "<*> <*>",
    "x" * 10_000_000,
    "1 " * 100_000,
    "{" * 5000,
    '{"a": [1, {"b": ',
    "é\u2028ü\x85\xa0x",
    "\r\n",
    "%s %d",
    "'" * 999,
]


def test_content_never_raises_and_never_hurts_a_neighbour():
    miner, out = mined([line for bad in HOSTILE for line in ("good line 1", bad)])
    assert len({r.template_id for r in out[::2]}) == 1
    assert all(r.template_id for r in out)
    db = sqlite3.connect(":memory:")
    with db:
        miner.save(db)
    again = Miner()
    again.load(db)
    ids = [r.template_id for r in again.process(records(HOSTILE))]
    assert ids == [r.template_id for r in out[1::2]]


def test_times_of_broken_clocks_are_kept():
    miner = Miner()
    batch = records(["tick 1"] * 3)
    for record, at in zip(batch, (-1, 0, 4_070_908_800_000_000_000), strict=True):
        record.timestamp_ns = at
    miner.process(batch)
    (t,) = miner.changed()
    assert (t.first_seen_ns, t.last_seen_ns) == (-1, 4_070_908_800_000_000_000)


def test_frames_of_a_stack_trace_are_one_variable():
    trace = "request 5 failed: java.lang.IllegalStateException: pool closed\n\tat com.acme.Pool.get(Pool.java:7)"
    miner, out = mined([trace + "\n\tat com.acme.X.y(X.java:1)" * n for n in range(4)])
    assert len({r.template_id for r in out}) == 1
    assert "pool closed <*>" in texts(miner)[0]


def test_mine_lines_answers_in_order_with_the_final_text():
    answers = list(mine_lines(["login of user root accepted", "other", "login of user ann accepted"]))
    assert answers[0] == answers[2]
    assert answers[0][1] == "login of user <*> accepted"
    assert list(mine_lines([])) == []


def test_words_of_unicode_spaces_alone_are_no_tokens() -> None:
    for masked in ("\x85", "a \x85 b", "\u2028 a", "\x85 \u2029"):
        tokens, layout = split(masked)
        assert len(tokens) == len(layout)
        assert render(tokens, layout).split() == masked.split()
