"""People are told once, of what matters, in measure, and when it is over; a channel that fails loses nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logsense.config import check_tables
from logsense.errors import BadConfig
from logsense.notify import ChannelSpec, Notifier, NotifyOptions
from logsense.record import Hypothesis, Incident, Sentence

SECOND = 1_000_000_000
START_S = 1_790_000_000.0


def incident(number: int = 1, **more: Any) -> Incident:
    at = int(START_S) * SECOND
    made = Incident(
        f"inc-{number}", f"PostgreSQL on db{number}: too many clients", "open", "medium", at, at + SECOND,
        pipeline="database", hosts=[f"db{number}"], services=["postgresql"],
        summary=[
            Sentence("Connections exhausted on db; since 10:00 UTC.", ["line:a"], "headline"),
            Sentence("Affected for 40 s: postgresql on db.", ["signal:s"], "impact"),
            Sentence("Most likely cause: a pool without a limit.", ["line:a"], "cause"),
            Sentence("select count(*) from pg_stat_activity", [], "next"),
        ],
        hypotheses=[Hypothesis("host:db1", "connection_exhaustion", 0.9, ["line:a"], title="Connections exhausted")],
    )  # fmt: skip
    return replace(made, **more)


class World:
    """The incidents as they stand, a clock that the test moves, and a notifier of one channel."""

    def __init__(self, state: Path, url: str, type_: str = "webhook", options: Any = None, **channel: Any) -> None:
        self.now, self.incidents = START_S + 2, list[Incident]()
        self.spec = ChannelSpec("on-call", type_, url, **channel)
        self.options = NotifyOptions(channel=[self.spec], page_url="https://logs.example.org/", **(options or {}))
        self.state = state
        self.restart()

    def restart(self) -> None:
        self.notifier = Notifier(self.options, lambda: self.incidents, self.state, clock=lambda: self.now)

    def after(self, seconds: float, *incidents: Incident) -> None:
        """Time passes in looks of three seconds; then the incidents are as given."""
        if incidents:
            self.incidents = list(incidents)
        end = self.now + seconds
        while self.now < end:
            self.notifier.step()
            self.now += 3
        self.notifier.step()


@pytest.fixture
def world(tmp_path: Path, inbox: Any) -> World:
    return World(tmp_path / "notify.db", inbox.url)


def kinds(inbox: Any) -> list[str]:
    return [body["kind"] for body in inbox.bodies]


def test_an_incident_is_told_once_and_its_end_too(world: World, inbox: Any) -> None:
    world.after(60, incident())
    world.after(60, incident(last_ns=int(world.now) * SECOND))  # it goes on
    assert kinds(inbox) == ["opened"]
    said = inbox.bodies[0]
    assert said["title"] == "[medium] New: PostgreSQL on db1: too many clients"
    assert "Most likely cause: a pool without a limit." in said["text"]
    assert "- select count(*) from pg_stat_activity" in said["text"]
    assert said["link"] == "https://logs.example.org/incidents/inc-1"
    assert said["incidents"][0]["summary"][0]["evidence"] == ["line:a"]
    world.after(60, incident(status="resolved", end_ns=int(world.now) * SECOND))
    assert kinds(inbox) == ["opened", "resolved"]
    assert "- select" not in inbox.bodies[1]["text"]


def test_it_waits_until_the_cause_is_clear_and_tells_what_is_over_once(world: World, inbox: Any) -> None:
    world.after(9, incident())
    assert not inbox.bodies
    world.after(30, incident(status="resolved", end_ns=int(world.now) * SECOND))
    world.after(60)
    assert kinds(inbox) == ["over"]


def test_worse_and_again_are_told_and_better_is_not(world: World, inbox: Any) -> None:
    world.after(30, incident())
    world.after(30, incident(severity="critical"))
    world.after(30, incident(severity="low"))
    world.after(30, incident(status="resolved"))
    world.after(30, incident())
    assert kinds(inbox) == ["opened", "worsened", "resolved", "reopened"]


def test_a_restart_tells_nothing_again(world: World, inbox: Any) -> None:
    world.after(30, incident())
    world.restart()
    world.after(30)
    assert kinds(inbox) == ["opened"]


def test_history_that_is_read_in_is_not_told(world: World, inbox: Any) -> None:
    old = int(START_S - 7200) * SECOND
    world.after(60, incident(start_ns=old, last_ns=old))
    assert not inbox.bodies


def test_only_what_the_channel_wants(tmp_path: Path, inbox: Any) -> None:
    world = World(tmp_path / "s.db", inbox.url, min_severity="high", pipelines=("database",), hosts=("db*",))
    world.after(60, incident(1), incident(2, severity="high", pipeline="network"),
                incident(3, severity="high", hosts=["web1"]), incident(4, severity="high"))  # fmt: skip
    assert [body["incidents"][0]["id"] for body in inbox.bodies] == ["inc-4"]


def test_a_channel_that_fails_is_tried_again_and_says_the_same(world: World, inbox: Any) -> None:
    inbox.answers = [503, 500]
    world.after(18, incident())
    state = world.notifier.state()[0]
    assert not inbox.bodies and state["failed"] == 1 and state["trouble"].startswith("HTTP 503")
    world.after(60)
    assert inbox.attempts == 3 and kinds(inbox) == ["opened"]
    assert world.notifier.state()[0] == {
        "channel": "on-call", "type": "webhook", "delivered": 1, "failed": 2, "given_up": 0, "trouble": "",
    }  # fmt: skip


def test_the_key_is_the_same_for_each_attempt_and_another_for_the_next_message(world: World, inbox: Any) -> None:
    world.after(30, incident())
    with_same = inbox.received[0][1]["Idempotency-Key"]
    world.after(30, incident(status="resolved"))
    world.after(30, incident())
    keys = [headers["Idempotency-Key"] for _, headers, _ in inbox.received]
    assert keys[0] == with_same and len(set(keys)) == 3


def test_a_delivery_whose_record_was_lost_is_repeated_with_the_same_key(world: World, inbox: Any) -> None:
    world.after(10, incident())
    assert not inbox.bodies
    copy = world.state.with_name("copy")
    copy.mkdir()
    for part in world.state.parent.glob("notify.db*"):
        shutil.copy(part, copy / part.name)
    world.after(6)
    for part in copy.iterdir():  # as if it had been killed after the answer and before the record
        shutil.copy(part, world.state.parent / part.name)
    world.restart()
    world.after(6)
    keys = [headers["Idempotency-Key"] for _, headers, _ in inbox.received]
    assert len(keys) == 2 and len(set(keys)) == 1


def test_a_storm_is_a_few_messages_and_a_digest(tmp_path: Path, inbox: Any) -> None:
    world = World(tmp_path / "s.db", inbox.url, max_per_hour=5)
    world.after(120, *(incident(n) for n in range(1, 41)))
    assert kinds(inbox) == ["opened"] * 4 + ["digest"]
    assert inbox.bodies[-1]["title"] == "36 incidents" and "… +16" in inbox.bodies[-1]["text"]
    world.after(300, *(incident(n) for n in range(1, 61)))
    assert len(inbox.bodies) == 5  # the hour is full
    world.after(3700)
    assert kinds(inbox)[5:] == ["digest"] and len(inbox.bodies[5]["incidents"]) == 20


def test_quiet_hours_let_only_the_worst_through(tmp_path: Path, inbox: Any) -> None:
    # START_S is 14:13:20 UTC.
    world = World(tmp_path / "s.db", inbox.url, quiet="14:00-15:00", options={"max_age_s": 36_000.0})
    world.after(60, *(incident(n) for n in range(1, 6)), incident(9, severity="critical"))
    assert [b["incidents"][0]["id"] for b in inbox.bodies] == ["inc-9"]
    world.after(3000)
    assert kinds(inbox) == ["opened", "digest"] and len(inbox.bodies[1]["incidents"]) == 5


def test_what_nobody_can_be_told_for_a_day_is_given_up(world: World, inbox: Any) -> None:
    inbox.answers = [500] * 10_000
    world.after(30, incident())
    world.now += 90_000
    world.after(3)
    assert world.notifier.state()[0]["given_up"] == 1
    inbox.answers = []
    world.after(900, incident(), incident(2, last_ns=int(world.now) * SECOND))
    assert [b["incidents"][0]["id"] for b in inbox.bodies] == ["inc-2"]


def test_mail_goes_out_by_apprise(tmp_path: Path, mailbox: Any) -> None:
    port, envelopes = mailbox
    url = f"mailto://127.0.0.1:{port}?from=logsense@example.org&to=oncall@example.org&mode=insecure"
    world = World(tmp_path / "s.db", url, "apprise")
    world.after(30, incident())
    text = envelopes[0].content.decode()
    assert envelopes[0].rcpt_tos == ["oncall@example.org"]
    assert "too many clients" in text.replace("=\r\n", "").replace("_", " ")


def test_apprise_says_why_it_failed(tmp_path: Path) -> None:
    world = World(tmp_path / "s.db", "json://127.0.0.1:1/", "apprise")
    world.after(18, incident())
    assert world.notifier.state()[0]["trouble"]


def test_alertmanager_is_kept_told_and_told_of_the_end(tmp_path: Path, inbox: Any) -> None:
    world = World(tmp_path / "s.db", inbox.url.removesuffix("/hook"), "alertmanager")
    world.after(30, incident())
    world.after(300, incident())
    world.after(30, incident(severity="high"))
    assert {path for path, _, _ in inbox.received} == {"/api/v2/alerts"}
    first, again, worse = inbox.bodies
    assert first[0]["labels"] == {
        "alertname": "logsense_incident", "incident": "inc-1", "severity": "medium", "pipeline": "database",
    }  # fmt: skip
    assert again[0]["labels"] == first[0]["labels"] and again[0]["endsAt"] > first[0]["endsAt"]
    now = first[0]["startsAt"]
    ends = {alert["labels"]["severity"]: alert["endsAt"] for alert in worse}
    assert ends["high"] > ends["medium"] > now
    world.after(30, incident(status="resolved", severity="high", end_ns=int(world.now) * SECOND))
    assert {alert["labels"]["severity"] for alert in inbox.bodies[-1]} == {"low", "medium", "high"}


def test_alertmanagers_webhook_form(tmp_path: Path, inbox: Any) -> None:
    world = World(tmp_path / "s.db", inbox.url, "alertmanager_webhook")
    world.after(30, incident())
    body = inbox.bodies[0]
    assert body["version"] == "4" and body["status"] == "firing"
    alert = body["alerts"][0]
    assert alert["status"] == "firing" and alert["endsAt"] == "0001-01-01T00:00:00Z" and alert["fingerprint"]
    assert body["commonLabels"] == alert["labels"]


def test_messages_in_chinese(tmp_path: Path, inbox: Any) -> None:
    world = World(tmp_path / "s.db", inbox.url, options={"language": "zh"})
    world.after(30, incident())
    assert inbox.bodies[0]["title"].startswith("[中] 新事件：")


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({"name": "a"}, "set url or url_env"),
        ({"name": "a", "url": "x", "type": "pigeon"}, "type must be one of"),
        ({"name": "a", "url": "x", "min_severity": "huge"}, "min_severity"),
        ({"name": "a", "url": "x", "quiet": "late"}, "22:00-07:00"),
        ({"name": "a", "url": "x", "quiet": "25:00-07:00"}, "hour must be"),
        ({"name": "a", "url": "x", "time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_a_wrong_channel_stops_the_start(channel: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=said):
        check_tables({"notify": {"channel": [channel]}}, tmp_path / "logsense.toml")


@pytest.mark.parametrize("url", ["nonsense", "slack://"])
def test_a_url_that_apprise_does_not_know_stops_the_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="Apprise does not understand"):
        World(tmp_path / "s.db", url, "apprise")


def test_a_url_from_the_environment(tmp_path: Path, inbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ChannelSpec("a", "webhook", url_env="ONCALL_URL")
    with pytest.raises(BadConfig, match="ONCALL_URL is empty"):
        Notifier(NotifyOptions(channel=[spec]), list, tmp_path / "s.db")
    monkeypatch.setenv("ONCALL_URL", inbox.url)
    Notifier(NotifyOptions(channel=[spec]), list, tmp_path / "s.db")
