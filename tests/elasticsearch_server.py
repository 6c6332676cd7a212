"""A real Elasticsearch for tests, benchmarks and the demo: fetched once, started on loopback, stopped with its owner.

    python -m tests.elasticsearch_server fetch     # into the user's cache, sha256 checked
    python -m tests.elasticsearch_server run       # start, print the address, stop with Ctrl-C
    python -m tests.elasticsearch_server with CMD  # run CMD with LOGSENSE_ELASTICSEARCH_URL set, then stop

Elastic publishes a runnable server without a JDK on Maven Central (``integ-test-zip``), which is what its own
plugins are tested against. It refuses to run as root; then it runs as ``nobody``. It is fetched for tests and
never redistributed. What it holds and lacks is written down in ``deploy/elasticsearch.md``.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VERSION = "8.19.3"
SHA256 = "c4b08b70523700efde9f3e4c9287229f085c2c0db1efca5c6a7d65abbdb9f2e1"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
HEAP = os.environ.get("LOGSENSE_ELASTICSEARCH_HEAP", "512m")
REQUIRED = "elasticsearch" in os.environ.get("LOGSENSE_TEST_REQUIRE", "")
FETCH_S = 600
START_S = 600  # 20 s on a quiet machine; one that ends is noticed at once
PLUGIN = Path(__file__).with_name("elasticsearch_analysis") / "AnalysisForKeys.java"
LONGEST_MB = 16
USER = ("logsense", "a long password")


class Unavailable(Exception):
    """Why no server can be had here."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "logsense" / "elasticsearch"


def fetch() -> Path:
    """The verified zip, from the cache or through Maven. Raises Unavailable."""
    kept = cache() / f"elasticsearch-{VERSION}.zip"
    if kept.exists() and _sha256(kept) == SHA256:
        return kept
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("mvn is not installed (on Debian: apt-get install maven)")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        get = ["dependency:get", "-Dtransitive=false", f"-Dartifact={ARTIFACT}"]
        copy = ["dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
        for goal in (get, copy):  # -C: a wrong checksum of the repository fails
            try:
                done = subprocess.run([maven, "-q", "-B", "-C", *goal], capture_output=True, timeout=FETCH_S, text=True)
            except subprocess.TimeoutExpired:
                raise Unavailable(f"mvn did not fetch {ARTIFACT} within {FETCH_S} s") from None
            if done.returncode:
                raise Unavailable(f"mvn cannot fetch {ARTIFACT}: {done.stdout[-500:]}{done.stderr[-500:]}")
        found = next(Path(folder).glob("*.zip"))
        if _sha256(found) != SHA256:
            raise Unavailable(f"{ARTIFACT} is not the file that was expected: sha256 {_sha256(found)}")
        found.replace(kept)
    return kept


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def java_home() -> Path:
    """A JDK 17 or newer: ``LOGSENSE_JAVA_HOME``, the ``java`` of the path, or one below /usr/lib/jvm."""
    stated = os.environ.get("LOGSENSE_JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [Path(stated)] if stated else [*([Path(on_path).resolve().parents[1]] if on_path else [])]
    if not stated:
        candidates += sorted(Path("/usr/lib/jvm").glob("*17*")) + sorted(Path("/usr/lib/jvm").glob("*"))
    for home in candidates:
        with contextlib.suppress(OSError, ValueError, IndexError):
            release = (home / "release").read_text(encoding="utf-8")
            if int(release.split('JAVA_VERSION="')[1].split(".")[0].rstrip('"')) >= 17 and (home / "bin/java").exists():
                return home
    raise Unavailable("no JDK 17 or newer was found (set LOGSENSE_JAVA_HOME)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One node in a folder of its own. ``stop`` and ``start`` keep its data; ``close`` removes everything."""

    def __init__(
        self, heap: str = HEAP, port: int = 0, *, secure: bool = False, joins: Server | None = None, alone: bool = True
    ) -> None:
        """``secure``: https with a certificate of its own (``certificate``), the user ``USER``, and API keys.

        ``alone=False`` is the first node of a cluster, which others may join: they are given it as ``joins``.
        """
        zipped, self.java = fetch(), java_home()
        # /var/tmp rather than the cache: the user that root starts it as cannot look into root's home
        self.folder = Path(tempfile.mkdtemp(prefix="logsense-elasticsearch-", dir="/var/tmp"))
        with zipfile.ZipFile(zipped) as archive:
            for member in archive.infolist():
                mode = member.external_attr >> 16
                target = Path(archive.extract(member, self.folder))
                if mode and target.is_file():
                    target.chmod(mode & 0o777)
        self.home = self.folder / f"elasticsearch-{VERSION}"
        self.port, self.transport, self.heap = port or free_port(), free_port(), heap
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.certificate = self.home / "config" / "http.crt"
        self.context: ssl.SSLContext | None = None
        self.headers: dict[str, str] = {}
        if joins is not None:  # it holds data and decides nothing, so the first goes on without it
            place = f"discovery.seed_hosts: 127.0.0.1:{joins.transport}\nnode.roles: [data, ingest]\n"
        else:
            place = "discovery.type: single-node\n" if alone else f"cluster.initial_master_nodes: n{self.port}\n"
        (self.home / "config" / "elasticsearch.yml").write_text(
            f"cluster.name: logsense-test\nnode.name: n{self.port}\n{place}network.host: 127.0.0.1\n"
            f"http.port: {self.port}\ntransport.port: {self.transport}\n"
            f"xpack.security.enabled: {str(secure).lower()}\n"
            "cluster.routing.allocation.disk.threshold_enabled: false\ncluster.max_shards_per_node: 8000\n"
            # lower than the default of 100 MB, so that a request beyond it can be tried; ours are of 8 MiB
            f"http.max_content_length: {LONGEST_MB}mb\npath.repo: {self.home}/snapshots\n",
            encoding="utf-8",
        )
        (self.home / "tmp").mkdir()
        if secure:
            self._secure()
        self.identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self.folder.chmod(0o755)
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _secure(self) -> None:
        self.url = f"https://127.0.0.1:{self.port}"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(self.home / "config/http.key"),
             "-out", str(self.certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        with (self.home / "config/elasticsearch.yml").open("a", encoding="utf-8") as file:
            file.write(
                "xpack.security.autoconfiguration.enabled: false\nxpack.security.http.ssl.enabled: true\n"
                "xpack.security.http.ssl.key: http.key\nxpack.security.http.ssl.certificate: http.crt\n"
            )
        subprocess.run(
            [str(self.home / "bin/elasticsearch-users"), "useradd", USER[0], "-p", USER[1], "-r", "superuser"],
            check=True, capture_output=True, env={"PATH": os.environ["PATH"], "ES_JAVA_HOME": str(self.java)},
        )  # fmt: skip
        self._install_analysis()
        self.context = ssl.create_default_context(cafile=str(self.certificate))
        self.headers = {"Authorization": "Basic " + base64.b64encode(":".join(USER).encode()).decode()}

    def _install_analysis(self) -> None:
        """What making API keys needs and this distribution lacks, see ``PLUGIN``."""
        folder = self.home / "plugins" / "analysis-for-keys"
        folder.mkdir()
        java, classes = self.java / "bin", self.folder / "classes"
        for tool in (
            [java / "javac", "--release", "17", "-cp", f"{self.home}/lib/*", "-d", classes, PLUGIN],
            [java / "jar", "--create", "--file", folder / "analysis-for-keys.jar", "-C", classes, "."],
        ):
            try:
                subprocess.run(tool, capture_output=True, text=True, check=True)
            except OSError as error:
                raise Unavailable(f"a whole JDK is needed, not only its runtime: {error}") from None
            except subprocess.CalledProcessError as error:
                raise Unavailable(f"{tool[0]} failed: {error.stderr[-1000:]}") from None
        (folder / "plugin-descriptor.properties").write_text(
            f"description=analysis for the index of API keys\nname=analysis-for-keys\nclassname={PLUGIN.stem}\n"
            f"version=1\njava.version=17\nelasticsearch.version={VERSION}\n",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start and wait until the node takes writes. Raises Unavailable with the end of its log."""
        log = (self.folder / "output.log").open("ab")
        self.process = subprocess.Popen(
            [str(self.home / "bin/elasticsearch"), "-p", str(self.home / "pid")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.home,
            env={"PATH": os.environ["PATH"], "ES_JAVA_HOME": str(self.java), "ES_TMPDIR": str(self.home / "tmp"),
                 "ES_JAVA_OPTS": f"-Xms{self.heap} -Xmx{self.heap}"},
            **self.identity,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError, ValueError):
                if self.get("/_cluster/health?wait_for_status=yellow&timeout=5s").get("timed_out") is False:
                    return
            time.sleep(0.2)
        output = (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")[-3000:]
        self.kill()
        raise Unavailable(f"Elasticsearch {VERSION} did not start: {output}")

    def get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self.url + path, headers=self.headers))

    def post(self, path: str, body: Any, method: str = "POST") -> Any:
        headers = {**self.headers, "Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method=method))

    def api_key(self, *privileges: str) -> str:
        """A new key as Kibana makes one, for our indices alone; with the rights that ``deploy/`` names."""
        indices = [{"names": ["logsense*"], "privileges": list(privileges or ("read", "write", "manage"))}]
        role = {"logsense": {"cluster": ["manage_index_templates"], "indices": indices}}
        made = self.post("/_security/api_key", {"name": "logsense", "role_descriptors": role})
        return str(made["encoded"])

    def _ask(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=10, context=self.context) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        """In order, as a service manager would."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """``kill -9``: what it had not made durable is gone."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.process is None:
            return
        for attempt in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, attempt)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
                break
        deadline = time.monotonic() + 30  # the server is the launcher's child: wait for the whole group
        while time.monotonic() < deadline:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def guard(owner: int, state: Path) -> None:
    """Run a server for as long as process ``owner`` lives; its address is written to ``state``."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    server = None
    try:
        server = Server()
        server.start()
        _write(state, {"url": server.url, "pid": os.getpid()})
        while not stopping and Path(f"/proc/{owner}").exists():
            time.sleep(0.2)
    except Unavailable as error:
        _write(state, {"error": str(error)})
    finally:
        if server is not None:
            server.close()


def _write(path: Path, value: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(value), encoding="utf-8")
    fresh.replace(path)


def shared(folder: Path, owner: int) -> str:
    """The address of the one server of a test session: the first that asks starts it. Raises Unavailable."""
    state = folder / "elasticsearch.json"
    with (folder / "elasticsearch.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            subprocess.run(  # setsid --fork: the guard is no child of this process, which may end before it
                ["setsid", "--fork", sys.executable, "-m", "tests.elasticsearch_server", "guard", str(owner), state],
                cwd=Path(__file__).parents[1], check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            deadline = time.monotonic() + 2 * FETCH_S + START_S
            while not state.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
    if not state.exists():
        raise Unavailable("the server did not come up")
    known = json.loads(state.read_text(encoding="utf-8"))
    if "error" in known:
        raise Unavailable(known["error"])
    return str(known["url"])


def skip_or_fail(error: Unavailable) -> None:
    """Loudly without the tests, or failing where ``LOGSENSE_TEST_REQUIRE`` names elasticsearch."""
    if REQUIRED:
        pytest.fail(f"Elasticsearch is required here (LOGSENSE_TEST_REQUIRE): {error}")
    warnings.warn(f"Elasticsearch cannot be had, its tests are NOT run: {error}", stacklevel=2)
    pytest.skip(f"no Elasticsearch: {error}")


@pytest.fixture(scope="session")
def elasticsearch_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a real server, shared by the whole session, all workers of pytest-xdist included."""
    base, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base, owner = base.parent, os.getppid()
    try:
        return shared(base, owner)
    except Unavailable as error:
        skip_or_fail(error)
        raise


@pytest.fixture
def own_elasticsearch() -> Iterator[Server]:
    """A server of the test's own, which it may stop and kill."""
    yield from _started(secure=False)


@pytest.fixture(scope="module")
def secure_elasticsearch() -> Iterator[Server]:
    """A server of the module's own with TLS, the user ``USER`` and API keys."""
    yield from _started(secure=True)


def _started(*, secure: bool) -> Iterator[Server]:
    try:
        server = Server(secure=secure)
        server.start()
    except Unavailable as error:
        skip_or_fail(error)
        raise
    yield server
    server.close()


def remove(index: Any) -> None:
    """Delete everything that ``index`` (an ElasticIndex) made."""
    index.clear()
    index._store.client.ask("DELETE", f"/_index_template/{index.options.prefix}-*")


def main(arguments: list[str]) -> int:
    command = arguments[0] if arguments else "help"
    try:
        if command == "fetch":
            print(fetch())
        elif command == "run":
            port = int(arguments[1]) if len(arguments) > 1 else 0
            server = Server(port=port)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            try:
                server.start()
                print(server.url, flush=True)
                while server.process is not None and server.process.poll() is None:
                    time.sleep(0.5)
            except KeyboardInterrupt:
                pass
            finally:
                server.close()
        elif command == "with":
            server = Server()
            try:
                server.start()
                return subprocess.call(arguments[1:], env={**os.environ, "LOGSENSE_ELASTICSEARCH_URL": server.url})
            except KeyboardInterrupt:
                return 130
            finally:
                server.close()
        elif command == "guard":
            guard(int(arguments[1]), Path(arguments[2]))
        else:
            print(__doc__)
    except Unavailable as error:
        print(f"no Elasticsearch: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
