"""A service that stops writing for a stretch of the incident."""

from logsense.rootcause.requests import Line, Requests
from logsense.rootcause.silence import silent_places

S = 1_000_000_000
APP, DB, RARE = ("app1", "app"), ("db1", "db"), ("cron1", "cron")


def lines(seconds: range, *, without: dict = {}) -> list[Line]:  # noqa: B006 - never changed
    made = []
    for at in seconds:
        for place, each in ((APP, 4), (DB, 2), (RARE, 1 if at % 20 == 0 else 0)):
            if at not in without.get(place, ()):
                made += [Line(at * S + n, place, "t", f"r{at}", "s", f"l{at}{n}") for n in range(each)]
    return sorted(made)


def test_who_stops_for_part_of_the_time_is_silent_and_who_seldom_writes_is_not():
    during = lines(range(1000, 1030), without={DB: range(1004, 1026)})
    assert silent_places(Requests(lines(range(300)), during)) == {DB}


def test_who_writes_nothing_at_all_is_silent_and_nobody_is_in_normal_times():
    normal = lines(range(300))
    assert silent_places(Requests(normal, lines(range(1000, 1030)))) == set()
    assert silent_places(Requests(normal, lines(range(1000, 1030), without={APP: range(2000)}))) == {APP}
    assert silent_places(Requests(normal, [])) == set()
