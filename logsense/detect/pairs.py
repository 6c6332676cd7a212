"""Who talks to whom: contacts that are known, how regular each is, and how many targets a source had lately."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Any

from logsense.detect.facts import Flows, Place

SECOND = 1_000_000_000
MAX_TARGETS = 1_000  # that are told apart per source and window
GAP = 3.5  # times the usual distance after which a beacon's count starts anew


class Pairs:
    """Contacts (source, destination, port), newest last, at most ``limit`` of them.

    Per contact: times seen, last time, mean distance and mean squared deviation of the distances (Welford), and
    whether it was there while the detector learnt.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pairs: OrderedDict[str, list[Any]] = OrderedDict()
        self._targets: Counter[str] = Counter()  # pairs per pipeline, destination and port

    @staticmethod
    def key(row: Flows) -> str:
        return f"{row.place.pipeline}\x1f{row.source}\x1f{row.target}\x1f{row.port}"

    def known(self, row: Flows) -> bool:
        return self.key(row) in self._pairs

    def targets(self) -> int:
        """Destinations and ports that are known."""
        return len(self._targets)

    def has_target(self, row: Flows) -> bool:
        return _target(self.key(row)) in self._targets

    def contacts(self, row: Flows) -> int:
        """Contacts at equal distances so far, with the one in hand."""
        pair = self._pairs.get(self.key(row))
        return int(pair[0]) + 1 if pair else 1

    def beacon(self, row: Flows, least: int, jitter: float) -> float | None:
        """The distance in seconds when this contact goes on a series of at least ``least`` regular ones that did not
        exist while learning; else None."""
        pair = self._pairs.get(self.key(row))
        if pair is None or pair[4] or pair[0] + 1 < least:
            return None
        count, last_ns, mean, squares, _ = pair
        if mean <= 0:
            return None
        distance = (row.first_ns - last_ns) / SECOND
        spread = math.sqrt(squares / max(count - 1, 1))
        regular = spread <= jitter * mean and abs(distance - mean) <= 3 * jitter * mean
        return mean if regular else None

    def learn(self, flows: Iterable[Flows], ripe: bool) -> None:
        """Take one window in; several contacts of a pair in it count as one."""
        firsts: dict[str, int] = {}
        for row in flows:
            key = self.key(row)
            firsts[key] = min(row.first_ns, firsts.get(key, row.first_ns))
        for key, at_ns in firsts.items():
            pair = self._pairs.get(key)
            if pair is None:
                self._pairs[key] = [1, at_ns, 0.0, 0.0, not ripe]
                self._targets[_target(key)] += 1
            else:
                self._extend(pair, at_ns)
                self._pairs.move_to_end(key)
        while len(self._pairs) > self._limit:
            gone, _ = self._pairs.popitem(last=False)
            self._targets[_target(gone)] -= 1
            if not self._targets[_target(gone)]:
                del self._targets[_target(gone)]

    @staticmethod
    def _extend(pair: list[Any], at_ns: int) -> None:
        count, last_ns, mean, squares, _ = pair
        distance = (at_ns - last_ns) / SECOND
        if distance <= 0:
            return
        if count > 2 and distance > GAP * mean:
            pair[:4] = [1, at_ns, 0.0, 0.0]
            return
        delta = distance - mean
        mean += delta / count
        pair[:4] = [count + 1, at_ns, mean, squares + delta * (distance - mean)]
        if count > 200:  # what was long ago must not hide that a pair became regular, or irregular
            pair[0], pair[3] = count // 2, pair[3] / 2

    def state(self) -> list[Any]:
        return [[key, *pair] for key, pair in self._pairs.items()]

    def restore(self, state: list[Any]) -> None:
        self._pairs = OrderedDict((key, list(pair)) for key, *pair in state)
        self._targets = Counter(map(_target, self._pairs))


def _target(key: str) -> str:
    pipeline, _, rest = key.partition("\x1f")
    return f"{pipeline}\x1f{rest.partition(chr(31))[2]}"


class FanOut:
    """Different hosts and ports that each source contacted in the last ``windows`` windows."""

    def __init__(self, windows: int, limit: int) -> None:
        self._limit = limit
        self._recent: deque[dict[str, tuple[list[str], list[int]]]] = deque(maxlen=max(windows - 1, 1))

    def widest(self, flows: Sequence[Flows]) -> list[tuple[Place, str, set[str], set[int], str]]:
        """(place, source, hosts, ports, example line) of the sources of these flows, with what was lately."""
        found: dict[str, tuple[Place, str, set[str], set[int], str]] = {}
        for row in flows:
            key = _source(row)
            one = found.get(key)
            if one is None:
                one = found[key] = (row.place, row.source, set(), set(), row.line)
                for before in self._recent:
                    if key in before:
                        one[2].update(before[key][0])
                        one[3].update(before[key][1])
            if len(one[2]) < MAX_TARGETS:
                one[2].add(row.target)
            if len(one[3]) < MAX_TARGETS:
                one[3].add(row.port)
        return list(found.values())

    def learn(self, flows: Sequence[Flows]) -> None:
        window: dict[str, tuple[set[str], set[int]]] = {}
        for row in flows:
            if len(window) >= self._limit and _source(row) not in window:
                continue
            hosts, ports = window.setdefault(_source(row), (set(), set()))
            if len(hosts) < MAX_TARGETS:
                hosts.add(row.target)
            if len(ports) < MAX_TARGETS:
                ports.add(row.port)
        self._recent.append({key: (sorted(hosts), sorted(ports)) for key, (hosts, ports) in window.items()})

    def state(self) -> list[Any]:
        return list(self._recent)

    def restore(self, state: list[Any]) -> None:
        self._recent.extend({key: (hosts, ports) for key, (hosts, ports) in one.items()} for one in state)


def _source(row: Flows) -> str:
    return "\x1f".join((*row.place[:2], row.source))
