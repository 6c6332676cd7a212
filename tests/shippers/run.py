"""Points the real shippers at a real ``logsense serve``, then asks the API what arrived: ``make test-shippers``.

``scripts/`` drives them, one script a client; ``SHIPPERS`` names a folder of other drivers with the same names and
variables, which then come first. ``install.py`` says where the clients themselves go.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from logsense.keys import KeyStore
from tests.e2e.running import Running, free_port
from tests.shippers.clients import CLIENTS, Client
from tests.shippers.install import HOME, install

OWN = Path(__file__).resolve().parent / "scripts"
SCRIPTS = Path(os.environ.get("SHIPPERS") or OWN)
SOCKETS = ("syslog_tls", "relp", "gelf", "otlp_grpc", "fluent", "lumberjack", "statsd", "graphite")
SETTLE_S = 25


@dataclass
class Result:
    """What one client's run came to; ``problems`` is empty when all was right."""

    client: Client
    wanted: int = 0
    found: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """(CA, server certificate, key) for ``localhost``."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key, cert, key = (folder / n for n in ("ca.pem", "ca.key", "server.pem", "server.key"))

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test-ca",
            "-keyout", str(ca_key), "-out", str(ca))  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", str(key), "-out", str(folder / "csr.pem"))  # fmt: skip
    names = folder / "names.cnf"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-days", "2", "-in", str(folder / "csr.pem"), "-CA", str(ca), "-CAkey", str(ca_key),
            "-CAcreateserial", "-extfile", str(names), "-out", str(cert))  # fmt: skip
    return ca, cert, key


class Shippers:
    """A server with every port open, and the clients pointed at it.

    ``keys``: it asks for keys, and they send one; ``wrong``: they send one that it does not know.
    """

    def __init__(self, folder: Path, *, keys: bool = False, wrong: bool = False) -> None:
        self.ca, cert, private = certificates(folder / "tls")
        self.ports = {name: free_port() for name in SOCKETS}
        data = folder / "data"
        self.wrong, keys = wrong, keys or wrong
        self.key = KeyStore(data).add("shipper", ["ingest"]) if keys else ""
        self.reader = KeyStore(data).add("reader", ["search"]) if keys else ""
        if wrong:
            self.key = self.key[:-6] + "wrong0"
        # Refusals are counted for the server as a whole: one client at a time, then they are that client's.
        self._alone = threading.Lock() if wrong else nullcontext()
        self.server = Running(data)
        lines = "\n".join(f"{name} = {port}" for name, port in self.ports.items())
        with self.server.config.open("a", encoding="utf-8") as config:
            config.write(f'\n[ports]\n{lines}\ncertificate = "{cert}"\nkey = "{private}"\n')
        self.ports |= {"http": self.server.port, "syslog": self.server.syslog_port}

    def __enter__(self) -> Shippers:
        self.server.start(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def run(self, client: Client, count: int = 3) -> Result:
        with self._alone:
            return self._run(client, count)

    def _run(self, client: Client, count: int) -> Result:
        mark = f"mark{time.time_ns():x}"
        result = Result(client, client.found(count))
        began, refused = time.time(), self._refusals()
        env = {**os.environ, "SHIPPERS_HOME": str(HOME), "HOST": "localhost" if "tls" in client.port else "127.0.0.1",
               "PORT": str(self.ports[client.port]), "MARK": mark, "COUNT": str(count), "CA": str(self.ca),
               **client.env, **self._credentials(client)}  # fmt: skip
        script = SCRIPTS / client.script if (SCRIPTS / client.script).exists() else OWN / client.script
        done = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip
        output = (done.stdout + done.stderr)[-1500:]
        if self.wrong:
            result.problems += self._refused(client, mark, refused, done.returncode, output)
            result.wanted, result.seconds = 0, time.time() - began
            return result
        if done.returncode not in client.ok:
            result.problems.append(f"exit code {done.returncode}: {output}")
        if "ERRORFILE" in output:
            result.problems.append(output)
        hits = self._wait(mark, result.wanted) if result.wanted else []
        result.found = len(hits)
        if result.found != result.wanted:
            result.problems.append(f"found {result.found} of {result.wanted}: {output}")
        result.problems += check(client, hits, began)
        if client.metric and not self._has_metric(client.metric):
            result.problems.append(f"no metric {client.metric}: {output}")
        result.seconds = time.time() - began
        return result

    def _refusals(self) -> int:
        """Requests that were answered with 401 or 403 so far; a wrong key over gRPC is seen by its client alone."""
        if not self.wrong:
            return 0
        _, body = self.server.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.reader}"})
        rows = [row for row in body.decode().splitlines() if row.startswith("logsense_http_requests_total{")]
        return sum(int(float(row.split()[-1])) for row in rows if 'status="401"' in row or 'status="403"' in row)

    def _refused(self, client: Client, mark: str, before: int, code: int, output: str) -> list[str]:
        """What is wrong when a client with a wrong key ran: nothing may be kept, and the refusal must be one."""
        problems = []
        hits = self._wait(mark, 1, 3)
        if hits:
            problems.append(f"{len(hits)} records were accepted with a wrong key")
        told = code != 0 or any(word in output for word in ("401", "Unauthorized", "UNAUTHENTICATED", "security_exc"))
        if self._refusals() == before and not (client.port == "otlp_grpc" and told):
            problems.append(f"no request was refused: exit code {code}: {output}")
        return problems

    def _credentials(self, client: Client) -> dict[str, str]:
        if not self.key:
            return {}
        forms = {
            "TOKEN": {"TOKEN": self.key},
            "ES": {"ES_USER": "shipper", "ES_PASS": self.key},
            "API_KEY": {"API_KEY": self.key},
            "LOKI": {"LOKI_USER": "shipper", "LOKI_PASS": self.key},
        }
        found = forms.get(client.token, {})
        if client.script == "rsyslog_es.sh" and SCRIPTS != OWN:  # that one loses the quotes around the two values
            found = {name: f'"{value}"' for name, value in found.items()}
        return found

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.reader}"} if self.reader else {}
        code, body = self.server.request("GET", path, headers=headers)
        assert code == 200, f"{path}: {code} {body[:300]!r}"
        return json.loads(body)

    def _wait(self, mark: str, wanted: int, settle_s: float = SETTLE_S) -> list[dict[str, Any]]:
        """All lines with ``mark``; looks once more after the wanted number is there, for duplicates."""
        path = f"/api/v1/search?limit=1000&sort=time&q={urllib.parse.quote(mark)}"
        deadline = time.monotonic() + settle_s
        while True:
            hits: list[dict[str, Any]] = [h for h in self._get(path)["hits"] if mark in json.dumps(h)]
            if len(hits) >= wanted or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        time.sleep(1.5)
        return [h for h in self._get(path)["hits"] if mark in json.dumps(h)]

    def _has_metric(self, name: str) -> bool:
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            if name in json.dumps(self._get("/api/v1/metrics/series")):
                return True
            time.sleep(0.5)
        return False


def check(client: Client, hits: list[dict[str, Any]], began: float) -> list[str]:
    """What is wrong with the fields of ``hits``."""
    problems = []
    for hit in hits:
        stamp = datetime.fromisoformat(hit["@timestamp"]).timestamp()
        if abs(stamp - began) > client.slack_s:
            problems.append(f"@timestamp is {hit['@timestamp']}, sent at {began:.0f}")
        if client.match not in hit["message"]:
            continue
        for name in ("host", "service", "level"):
            wanted = getattr(client, name)
            if wanted and hit[name] != wanted:
                problems.append(f"{name} is {hit[name]!r} instead of {wanted!r}: {json.dumps(hit)[:700]}")
    return problems[:3]


def with_key(client: Client) -> Client:
    """The same against a server that asks for keys. What a client does besides sending (search), it may not do."""
    only = {"BULK_ONLY": "1"} if client.script == "es_py_bulk.sh" else {}
    found = (lambda n: n) if only else client.found
    return replace(client, name=f"{client.name} +key", env={**client.env, **only}, found=found)


def with_wrong_key(client: Client) -> Client:
    """The same with a key that the server does not know: refused, nothing kept."""
    client = with_key(client)
    return replace(client, name=client.name.replace("+key", "+wrong key"), found=lambda n: 0)


@contextmanager
def servers(folder: Path) -> Iterator[list[tuple[Shippers, Client]]]:
    """Three servers (open, with keys, with a key that none of the clients knows) and who is to run against which."""
    for name in ("open", "keys", "wrong"):
        (folder / name).mkdir()
    with (
        Shippers(folder / "open") as opened,
        Shippers(folder / "keys", keys=True) as locked,
        Shippers(folder / "wrong", wrong=True) as wrong,
    ):
        able = [client for client in CLIENTS if client.token]
        runs = [(opened, client) for client in CLIENTS]
        yield [*runs, *((locked, with_key(c)) for c in able), *((wrong, with_wrong_key(c)) for c in able)]


def run_all(runs: Sequence[tuple[Shippers, Client]], count: int, jobs: int) -> Iterator[Result]:
    """The results in the order of ``runs``; ``jobs`` clients run at a time, since they mostly wait."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda run: run[0].run(run[1], count), runs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", default="", help="only clients whose name contains this")
    parser.add_argument("--count", type=int, default=3, help="records per client")
    parser.add_argument("--jobs", type=int, default=4, help="clients that run at a time")
    arguments = parser.parse_args()
    install()
    beside = HOME / "scripts"  # where drivers other than our own may look for their parts
    if SCRIPTS != OWN and not beside.exists():
        beside.symlink_to(SCRIPTS.resolve())
    results = []
    with tempfile.TemporaryDirectory(prefix="logsense-shippers-") as folder, servers(Path(folder)) as runs:
        print(f"{'client':<32}{'sent':>6}{'found':>7}{'seconds':>9}  result", flush=True)
        runs = [run for run in runs if arguments.k in run[1].name]
        for (shippers, client), result in zip(runs, run_all(runs, arguments.count, arguments.jobs), strict=True):
            results.append(result)
            state = "ok" if not result.problems else "FAILED"
            wanted = result.wanted or ("none" if shippers.wrong else "metric")
            row = f"{client.name:<32}{wanted:>6}{result.found:>7}{result.seconds:>9.1f}  {state}"
            print(row, flush=True)
            for problem in result.problems:
                print(f"    {problem}", flush=True)
    failed = sum(bool(r.problems) for r in results)
    print(f"{len(results) - failed} of {len(results)} clients are right")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
