"""Ends of certificates in log lines: what states one, what does not, and from when on it counts."""

import sqlite3
from datetime import UTC, datetime

import pytest

from logsense.predict.stated import MAX_AHEAD, StatedEnds, stated_end
from logsense.record import LogRecord

NOW = 1_790_000_000
END = datetime(2026, 11, 25, 4, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("message", "end"),
    [
        ("certificate for shop.example installed, valid until 2026-11-25T04:30:00Z", END),
        ("Certificate will expire on 2026-11-25 04:30:00 UTC", END),
        ("x509: certificate expires at 2026-11-25T06:30:00+02:00", END),
        ("cert /etc/tls/a.pem notAfter=Nov 25 04:30:00 2026 GMT", END),
        ('msg="loaded certificate" not_after="2026-11-25T04:30:00Z"', END),
        ("certificate of www.example.com expires in 3 days", NOW + 3 * 86_400),
        ("SSL certificate expiring in 90 minutes, renew it", NOW + 5400),
        ("certificate is valid for 12 hours", NOW + 43_200),
        ("certificate renewed", None),
        ("certificate for shop.example expired", None),
        ("session expires in 3 days", None),  # not about a certificate
        ("lease valid until 2026-11-25T04:30:00Z", None),
        ("certificate valid until 2026-99-99T99:99:99Z", None),
        ("certificate notAfter=Foo 25 04:30:00 2026 GMT", None),
    ],
)
def test_stated_end(message: str, end: float | None) -> None:
    assert stated_end(message, NOW * 10**9) == (None if end is None else pytest.approx(end))


def line(second: int, message: str, template: str = "t1", host: str = "web1") -> LogRecord:
    return LogRecord("i", (NOW + second) * 10**9, message, "s", 0, host=host, service="tls", template_id=template)


def test_a_line_counts_from_its_own_time_on_and_survives_a_restart() -> None:
    ends = StatedEnds()
    ends.learn([line(100, "certificate expires in 5 minutes"), line(0, "certificate expires in 2 minutes")])
    ends.learn([line(0, "job done", "t2")])
    db = sqlite3.connect(":memory:")
    ends.save(db)
    again = StatedEnds()
    again.load(db)
    for one in (ends, again):
        name = "logsense.certificate.expiry{service=tls}"
        assert one.metrics((NOW - 1) * 10**9) == {}
        assert one.metrics((NOW + 50) * 10**9) == {"web1": {name: NOW + 120}}
        assert one.metrics((NOW + 150) * 10**9) == {"web1": {name: NOW + 400}}
        assert one.metrics((NOW + 10**6) * 10**9) == {} and not one.ends


def test_what_is_kept_is_bounded() -> None:
    ends = StatedEnds()
    ends.learn([line(i, "certificate expires in 5 minutes") for i in range(500)])
    assert len(ends.ends["web1", "tls"]) == MAX_AHEAD
