"""Requests through a shop of seven services, made by a seed: what each writes, when, and what can go wrong with it."""

from __future__ import annotations

import random
from collections.abc import Callable

from logsense.rootcause.requests import Line, Place, Requests

MS, S = 1_000_000, 1_000_000_000
T0 = 1_764_000_000 * S
CALLS = {
    "front": ["catalog", "order"],
    "catalog": ["stock", "price"],
    "order": ["price", "payment", "catalog"],
    "payment": ["ledger"],
    "stock": [],
    "price": [],
    "ledger": [],
}
Wait = Callable[[str, str], float]  # (from, to) -> further milliseconds; the same name twice is work within


def place(name: str) -> Place:
    return f"{name}-1", name


def no_wait(origin: str, target: str) -> float:
    return 0.0


class Shop:
    """``wait`` delays hops, ``silent`` services answer before they write anything, ``broken`` ones stop half-way."""

    def __init__(self, seed: int, *, wait: Wait = no_wait, silent: str = "", broken: str = "", share: float = 1.0):
        self.rng, self.wait, self.silent, self.broken, self.share = random.Random(seed), wait, silent, broken, share

    def lines(self, count: int, start_ns: int = T0) -> list[Line]:
        out: list[Line] = []
        for number in range(count):
            at = start_ns + number * 500 * MS
            mine: list[Line] = []
            self._visit("front", at, f"r{start_ns}-{number}", mine)
            out += mine
        return sorted(out)

    def _gap(self, origin: str, target: str, usual: float) -> int:
        noise = self.rng.lognormvariate(0, 0.6)
        return int((usual * noise + max(0.0, self.wait(origin, target))) * MS)

    def _visit(self, name: str, at: int, request: str, out: list[Line]) -> int:
        span = f"{request}-{len(out)}"

        def write(text: str) -> None:
            out.append(Line(at, place(name), f"{name} {text}", request, span, f"l{at}-{name}-{text}"))

        hit = self.rng.random() < self.share
        if name == self.silent and hit:
            return at + self._gap(name, name, 1)
        write("received")
        at += self._gap(name, name, 4)
        if name == self.broken and hit:
            write("failed: rule is missing")
            return at
        write("looked up")
        for called in CALLS[name]:
            at += self._gap(name, name, 1)
            write(f"calls {called}")
            at += self._gap(name, called, 3)
            at = self._visit(called, at, request, out)
            at += self._gap(called, name, 3)
            write(f"heard from {called}")
        at += self._gap(name, name, 2)
        write("done")
        return at


def normal(seed: int = 1, count: int = 200) -> list[Line]:
    return Shop(seed).lines(count)


def during(shop: Shop, count: int = 60) -> Requests:
    return Requests(normal(), shop.lines(count, T0 + 600 * S))
