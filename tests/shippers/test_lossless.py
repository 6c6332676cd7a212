"""The printed configurations keep their promise: nothing is lost or doubled while logsense is away, killed and back."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logsense.keys import KeyStore
from logsense.shippers import render
from tests.e2e.running import Running
from tests.shippers.install import HOME, missing

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.xdist_group("shippers")]
LINES = 60


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    why = missing()
    if why:
        if "shippers" in os.environ.get("LOGSENSE_TEST_REQUIRE", ""):
            pytest.fail(f"the shippers are required here, but {why}")
        pytest.skip(why)


@contextmanager
def started(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **(env or {})})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def rsyslog(folder: Path, port: int, key: str) -> tuple[list[str], dict[str, str]]:
    text = render("rsyslog", host="127.0.0.1", port=port, key=key).replace("/var/spool/rsyslog", str(folder))
    head = f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{folder}/log.sock")\n'
    (folder / "r.conf").write_text(head + text)
    return ["rsyslogd", "-n", "-f", str(folder / "r.conf"), "-i", str(folder / "r.pid")], {}


def syslog_ng(folder: Path, port: int, key: str) -> tuple[list[str], dict[str, str]]:
    root = HOME / "syslog-ng-root"
    head = f'@version: 3.38\nsource s_src {{ unix-dgram("{folder}/log.sock"); }};\n'
    text = render("syslog-ng", host="127.0.0.1", port=port, key=key)
    text = text.replace("disk-buffer(", f'disk-buffer(dir("{folder}") ')
    (folder / "s.conf").write_text(head + text)
    modules = str(next((root / "usr/lib/syslog-ng").glob("3.*")))
    command = [str(root / "usr/sbin/syslog-ng"), "-F", "--no-caps", "-f", str(folder / "s.conf"), "-R",
               str(folder / "persist"), "-p", str(folder / "pid"), "-c", str(folder / "ctl"),
               "--module-path", modules]  # fmt: skip
    return command, {"LD_LIBRARY_PATH": f"{root}/usr/lib/syslog-ng:{root}/usr/lib"}


@pytest.mark.parametrize("shipper", [rsyslog, syslog_ng], ids=lambda f: f.__name__)
def test_nothing_is_lost_while_logsense_is_away_and_killed(shipper: object, tmp_path: Path) -> None:
    data = tmp_path / "data"
    key, reader = KeyStore(data).add("s", ["ingest"]), KeyStore(data).add("r", ["search"])
    server = Running(data)
    command, env = shipper(tmp_path, server.port, key)  # type: ignore[operator]
    sent = 0

    def log(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            subprocess.run(["logger", "-u", str(tmp_path / "log.sock"), "-t", "app", "-p", "user.err",
                            f"numbered line {sent} end"], check=True)  # fmt: skip
            sent += 1

    def found() -> list[str]:
        import json

        code, body = server.request("GET", "/api/v1/search?q=numbered&limit=1000", headers={"X-API-Key": reader})
        assert code == 200
        return [h["message"] for h in json.loads(body)["hits"] if "numbered line" in h["message"]]

    try:
        with started(*command, env=env):
            time.sleep(2)
            log(LINES // 3)  # nobody listens yet
            server.start(60)
            log(LINES // 3)
            time.sleep(1)
            server.kill()
            log(LINES // 3)
            server.start(60)
            deadline = time.monotonic() + 100  # syslog-ng tries again after a minute
            while len(set(found())) < sent and time.monotonic() < deadline:
                time.sleep(1)
        messages = found()
        assert set(messages) == {f"numbered line {n} end" for n in range(sent)}
        # A batch whose answer the kill took may come twice; that is the most that "at least once" costs.
        assert len(messages) <= sent + LINES // 3
    finally:
        server.__exit__()
