"""`logsense shipper-config`: every configuration renders; the tools that are installed find no fault with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logsense.cli import app
from logsense.errors import BadInput, NotFound
from logsense.shippers import names, render
from tests.shippers.install import HOME

NAMES = [name for name, _ in names()]
KEY = "ls_0123abcd_" + "A-b_" * 10 + "xyz"
YAML = ("filebeat", "vector", "otel-collector", "promtail", "prometheus")


def tool(name: str) -> str:
    """The program, or the test ends here; it fails where it is required."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        if "shippers" in os.environ.get("LOGSENSE_TEST_REQUIRE", ""):
            pytest.fail(f"{name} is required here")
        pytest.skip(f"{name} is not installed")
    return found


def check(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=["", KEY], ids=["open", "key"])
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_usual_shippers_are_there() -> None:
    wanted = {"rsyslog", "syslog-ng", "fluent-bit", "filebeat", "vector", "otel-collector", "promtail", "alloy",
              "journal-upload", "logstash"}  # fmt: skip
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_renders(name: str, key: str) -> None:
    text = render(name, host="logs.example", port=9200, key=key, path="/var/log/app/*.log")
    assert not re.search(r"@(if|HOST|PORT|KEY|BASIC|PATH)\b", text)
    assert "logs.example" in text
    if key and name not in ("journal-upload", "rsyslog-relp"):
        assert key in text
    else:
        assert "pwd" not in text and "assword" not in text and "Bearer" not in text
    for opening, closing in ("{}", "()", "[]"):
        plain = "\n".join(line for line in text.splitlines() if not line.startswith(("#", "//")))
        assert plain.count(opening) == plain.count(closing)


@pytest.mark.parametrize("name", YAML)
def test_yaml(name: str, key: str) -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load(render(name, host="h", port=1, key=key))
    assert isinstance(document, dict) and document


def test_toml(key: str) -> None:
    assert tomllib.loads(render("telegraf", host="h", port=1, key=key))["outputs"]["influxdb_v2"]


@pytest.mark.parametrize("name", ["rsyslog", "rsyslog-relp"])
def test_rsyslog_takes_it(name: str, key: str, tmp_path: Path) -> None:
    text = render(name, host="127.0.0.1", port=8514, key=key).replace("/var/spool/rsyslog", str(tmp_path))
    (tmp_path / "r.conf").write_text(text)
    check(tool("rsyslogd"), "-N1", "-f", str(tmp_path / "r.conf"))


def test_syslog_ng_takes_it(key: str, tmp_path: Path) -> None:
    root = HOME / "syslog-ng-root"
    program, env, more = root / "usr/sbin/syslog-ng", {}, []
    if program.exists():
        env = {"LD_LIBRARY_PATH": f"{root}/usr/lib/syslog-ng:{root}/usr/lib"}
        more = ["--module-path", str(next((root / "usr/lib/syslog-ng").glob("3.*")))]
    else:
        program = Path(tool("syslog-ng"))
    head = '@version: 3.38\nsource s_src { unix-dgram("' + str(tmp_path / "s") + '"); };\n'
    (tmp_path / "s.conf").write_text(head + render("syslog-ng", host="127.0.0.1", port=8514, key=key))
    check(str(program), "-s", "--no-caps", "-f", str(tmp_path / "s.conf"), *more, env=env)


def test_prometheus_takes_it(key: str, tmp_path: Path) -> None:
    program = tool("promtool")
    (tmp_path / "p.yml").write_text(render("prometheus", host="h", port=1, key=key))
    check(program, "check", "config", str(tmp_path / "p.yml"))


def test_the_command() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["shipper-config"])
    assert listed.exit_code == 0 and all(name in listed.output for name in NAMES)
    shown = runner.invoke(app, ["shipper-config", "filebeat", "--host", "logs.example", "--port", "9200"])
    assert shown.exit_code == 0 and "http://logs.example:9200" in shown.output
    with pytest.raises(NotFound, match="filebaet") as unknown:
        render("filebaet", host="h", port=1)
    assert "filebeat" in unknown.value.fix
    with pytest.raises(BadInput):
        render("filebeat", host='h"\n  evil: true', port=1)
