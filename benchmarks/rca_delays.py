"""Delays put into fault-free minutes of Nezha's recordings: one service at a time, with seeds.

    PYTHONPATH=. python -m benchmarks.rca_delays ../shared/data/rca/nezha --seed 7

The recordings beside this project hold no network delay, so real lines of quiet minutes are moved in time as a delay
would move them: along each request every line behind a wait is later by it, in the service itself, in those that it
calls and in those that wait for it. Four ways in which a service is slow: ``egress`` (what leaves it is late: its calls
and its answers, over connections that are open), ``connect`` (connections are made anew, which costs another round),
``storage`` (its own steps that usually wait for something wait longer too: a database behind the same network) and
``both`` (what reaches it is late as well). ``--stalls`` adds moments in which the machine under all services stands
still, in the minutes of the fault and, half as often, in those it is compared with. Lines go through parse, redact and
mine; the answer is ``rank`` on the requests alone. It is a simulation: a slow network also makes timeouts and retries.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.rca_nezha import MINUTE, NORMAL_MINUTES, POD, SECOND, normal_minutes, read_faults, read_lines
from benchmarks.rca_score import Answer, answer, print_answers, print_quiet
from logsense.config import Settings
from logsense.mine import Miner
from logsense.parse import Parser, Redactor
from logsense.record import Signal
from logsense.rootcause import rank
from logsense.rootcause.evidence import Evidence
from logsense.rootcause.requests import Line, Place, Requests, by_request, line_of

WAYS = ("egress", "connect", "storage", "both")
DELAYS_MS = (30, 60, 120, 300, 1000)
FAULT_MINUTES = 2
LEAST_LINES = 8  # of the slow service: with fewer there is nothing to be seen
WAITS_NS = 2_000_000  # a step within a service that usually takes longer waits for something
JITTER = 0.2
STALL_S = (0.2, 1.5)  # how long a machine stands still
STALL_EVERY_S = 12.0
BATCH = 5000
#: Minutes without a label in which requests end in exceptions all the same are not quiet; both are shown.
THROWN = re.compile(r"threw exception", re.IGNORECASE)
QUIET, FAILING = "no exception", "exceptions thrown"


@dataclass(frozen=True, slots=True)
class Slow:
    place: Place
    way: str
    delay_ms: float


def read(day: Path, normal: Path) -> tuple[list[Line], dict[str, str]]:
    """All lines that state their request, and the texts of the templates."""
    settings = Settings({})
    parser, redactor = Parser(settings.section("parse")), Redactor(settings.section("redact"))
    miner = Miner(settings.section("mine"))
    events = list(read_lines([day / "log", normal / "log"]))
    lines: list[Line] = []
    for at in range(0, len(events), BATCH):
        records = miner.process(redactor.process(parser.parse(events[at : at + BATCH])))
        lines += filter(None, map(line_of, records))
    lines += filter(None, map(line_of, miner.process(redactor.process(parser.flush()))))
    return sorted(lines), {template.id: template.text for template in miner.templates()}


def delayed(lines: Sequence[Line], slow: Slow, rng: random.Random) -> list[Line]:
    """The lines as they would have been written. What follows a wait within its request is later by it."""
    waits = _waiting_steps(lines, slow.place)
    out: list[Line] = []
    for mine in by_request(lines).values():
        late_ns, before = 0.0, None
        for line in mine:
            if before is not None:
                rounds = _rounds(before, line, slow, waits, rng)
                late_ns += rounds * max(0.0, rng.gauss(slow.delay_ms, JITTER * slow.delay_ms)) * 1e6
            out.append(line._replace(at_ns=line.at_ns + int(late_ns)))
            before = line
    return sorted(out)


def _rounds(before: Line, line: Line, slow: Slow, waits: set[tuple[str, str]], rng: random.Random) -> int:
    """How often the delay is paid between two lines that follow each other."""
    here, there = before.place == slow.place, line.place == slow.place
    if here and not there:
        return 2 if slow.way == "connect" and rng.random() < 0.5 else 1
    if there and not here:
        return int(slow.way == "both" or (slow.way == "connect" and rng.random() < 0.5))
    if here and there and slow.way == "storage" and (before.template, line.template) in waits:
        return rng.choice((1, 1, 2))
    return 0


def _waiting_steps(lines: Sequence[Line], place: Place) -> set[tuple[str, str]]:
    took: dict[tuple[str, str], list[int]] = {}
    for mine in by_request(lines).values():
        for one, two in pairwise(mine):
            if one.place == two.place == place and one.span == two.span:
                took.setdefault((one.template, two.template), []).append(two.at_ns - one.at_ns)
    return {step for step, values in took.items() if len(values) > 2 and sorted(values)[len(values) // 2] > WAITS_NS}


def stalled(lines: Sequence[Line], every_s: float, rng: random.Random) -> list[Line]:
    """Every line within a standstill of the machine is written at its end, and what follows is as late."""
    if not lines:
        return []
    moments, at_ns = [], float(lines[0].at_ns)
    while at_ns < lines[-1].at_ns:
        at_ns += rng.expovariate(1 / every_s) * SECOND
        moments.append((int(at_ns), int(rng.uniform(*STALL_S) * SECOND)))
    out: list[Line] = []
    for mine in by_request(lines).values():
        late_ns, number = 0, 0
        for line in mine:
            while number < len(moments) and moments[number][0] <= line.at_ns + late_ns:
                start_ns, length_ns = moments[number]
                if start_ns + length_ns > mine[0].at_ns:  # the request was under way or began then
                    left_ns = start_ns + length_ns - max(start_ns, mine[0].at_ns)
                    late_ns += max(0, left_ns)
                number += 1
            out.append(line._replace(at_ns=line.at_ns + late_ns))
    return sorted(out)


def few(lines: Sequence[Line], share: float, rng: random.Random) -> list[Line]:
    """The lines of a share of the requests, at least five of them."""
    names = sorted({line.request for line in lines})
    kept = set(rng.sample(names, min(len(names), max(5, int(len(names) * share)))))
    return [line for line in lines if line.request in kept]


def cases(
    lines: Sequence[Line], minutes: Sequence[int], seed: int, *, share: float, stalls: bool
) -> Iterator[tuple[Slow, Requests]]:
    """Every service that writes enough, each in every way, with a delay and minutes drawn from the seed."""
    rng = random.Random(seed)
    by_minute: dict[int, list[Line]] = {minute: [] for minute in minutes}
    for line in lines:
        if (minute := line.at_ns // MINUTE * MINUTE) in by_minute:
            by_minute[minute].append(line)
    heard = Counter(line.place for mine in by_minute.values() for line in mine)
    for place in sorted(place for place, count in heard.items() if count >= LEAST_LINES * len(minutes) / 4):
        for way in WAYS:
            slow = Slow(place, way, rng.choice(DELAYS_MS))
            chosen = rng.sample(sorted(by_minute), FAULT_MINUTES)
            others = sorted(set(by_minute) - set(chosen), key=lambda minute: abs(minute - chosen[0]))
            now = few(sorted(line for minute in chosen for line in by_minute[minute]), share, rng)
            usual = sorted(line for minute in others[:NORMAL_MINUTES] for line in by_minute[minute])
            if sum(line.place == place for line in now) < LEAST_LINES:
                continue
            now = delayed(now, slow, rng)
            if stalls:
                now, usual = stalled(now, STALL_EVERY_S, rng), stalled(usual, 2 * STALL_EVERY_S, rng)
            yield slow, Requests(usual, now)


def nobody(lines: Sequence[Line], minutes: Sequence[int], seed: int, *, stalls: bool) -> Iterator[Requests]:
    """Each minute as it was (or with stalls alone): nobody is slow."""
    rng = random.Random(seed)
    for minute in minutes:
        others = sorted(set(minutes) - {minute}, key=lambda other: abs(other - minute))[:NORMAL_MINUTES]
        now = [line for line in lines if minute <= line.at_ns < minute + MINUTE]
        usual = [line for line in lines if line.at_ns // MINUTE * MINUTE in others]
        if stalls:
            now, usual = stalled(now, STALL_EVERY_S, rng), stalled(usual, 2 * STALL_EVERY_S, rng)
        yield Requests(usual, now)


def evidence_of(requests: Requests, *, alarmed: bool = True) -> Evidence:
    """``alarmed``: somebody was told that something is wrong, not what or where."""
    start_ns, end_ns = requests.during[0].at_ns, requests.during[-1].at_ns
    hosts = sorted({line.place[0] for line in requests.during})
    alarm = [Signal("alarm", "alert", start_ns, end_ns, 1.0, text="something is slow")] if alarmed else []
    return Evidence(start_ns, end_ns, requests.normal[0].at_ns, alarm, hosts=hosts, requests=requests)


def evaluate(folder: Path, seeds: Sequence[int], *, share: float, stalls: bool) -> tuple[list[Answer], list[Answer]]:
    """(answers for delays, answers where nobody was slow: their rank means nothing)."""
    answers, quiet = [], []
    for path in sorted(folder.glob("faulty/*/faults.json")):
        lines, texts = read(path.parent, folder / "normal" / path.parent.name)
        faults = read_faults(path)
        held = sorted({line.at_ns // MINUTE * MINUTE for line in lines})
        minutes = sorted(
            {at // MINUTE * MINUTE for fault in faults for at, _ in normal_minutes(held, faults, fault.at_ns)}
        )
        for seed in seeds:
            for slow, requests in cases(lines, minutes, seed, share=share, stalls=stalls):
                begun = time.process_time()
                found = rank(evidence_of(replace(requests, texts=texts)))
                name = f"{POD.sub('', slow.place[0])} {slow.delay_ms} ms"
                one = answer(name, slow.way, {slow.place[0]}, found)
                answers.append(replace(one, seconds=time.process_time() - begun))
        for requests in nobody(lines, minutes, seeds[0], stalls=stalls):
            if requests.during:
                thrown = sum(bool(THROWN.search(texts.get(line.template, ""))) for line in requests.during)
                found = rank(evidence_of(replace(requests, texts=texts), alarmed=False))
                at = datetime.fromtimestamp(requests.during[0].at_ns / SECOND, UTC)
                quiet.append(answer(f"{at:%H:%M}", FAILING if thrown else QUIET, set(), found))
    return answers, quiet


def main() -> None:
    parser = argparse.ArgumentParser(description="Root-cause ranking on delays put into Nezha's quiet minutes.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/rca/nezha"))
    parser.add_argument("--seed", type=int, nargs="+", default=[7], help="services, delays and minutes")
    parser.add_argument("--share", type=float, default=1.0, help="share of the requests that are kept: few are hard")
    parser.add_argument("--stalls", action="store_true", help="the machine under all services stands still at times")
    parser.add_argument("--verbose", action="store_true", help="a line for each delay")
    args = parser.parse_args()
    if not list(args.folder.glob("faulty/*/faults.json")):
        raise SystemExit(f"There are no faults in {args.folder}: expected faulty/<day>/faults.json below it.")
    answers, quiet = evaluate(args.folder, args.seed, share=args.share, stalls=args.stalls)
    stalls = ", the machine stalls" if args.stalls else ""
    title = f"Delays in quiet minutes, seeds {args.seed}, {args.share:.0%} of the requests{stalls}"
    print_answers(title, answers, verbose=args.verbose)
    for kind in (QUIET, FAILING):
        mine = [one for one in quiet if one.kind == kind]
        print_quiet(f"Nobody slow, no alarm, {kind}", mine, verbose=args.verbose)


if __name__ == "__main__":
    main()
