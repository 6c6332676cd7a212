"""What is said when Elasticsearch cannot be asked: the words fit what is wrong, and tell what to do."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.advice import doctor_rows
from logsense.errors import IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.index.elastic.trouble import silent, unable


def asked(url: str, folder: Path, **more: float) -> IndexUnavailable:
    """What a reader is told, which is what ``doctor`` and ``/readyz`` show."""
    index = ElasticIndex(folder, writer=False, options=ElasticOptions(urls=[url], read_attempts=1, **more))  # type: ignore[arg-type]
    try:
        with pytest.raises(IndexUnavailable) as raised:
            index.time_range()
        (row,) = doctor_rows(index, folder, {}, [])
        assert row["source"] == "index" and raised.value.what in row["advice"] and url in row["advice"]
    finally:
        index.close()
    assert raised.value.where == url and raised.value.why and "nothing is lost" in raised.value.fix
    return raised.value


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """A port that nobody listens at, until the test does."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made


@pytest.fixture(params=[200, 404, 501])
def website(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Something that speaks HTTP and is no Elasticsearch, and what it answers."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(request.param)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE HTML><html><body>hello</body></html>")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", request.param
    server.shutdown()
    server.server_close()


def test_nobody_listens(port: socket.socket, tmp_path: Path) -> None:
    error = asked(f"http://127.0.0.1:{port.getsockname()[1]}", tmp_path)
    assert error.what == "Nothing listens at the address of Elasticsearch"
    assert error.why == "[Errno 111] Connection refused" and error.fix.startswith("start it")


def test_somebody_listens_and_says_nothing(port: socket.socket, tmp_path: Path) -> None:
    port.listen(20)
    error = asked(f"http://127.0.0.1:{port.getsockname()[1]}", tmp_path, read_timeout_s=0.5)
    assert "in time" in error.what and "read_timeout_s" in error.fix


def test_a_connection_that_is_ended(port: socket.socket, tmp_path: Path) -> None:
    """As Elasticsearch does where it wants TLS and gets none."""
    port.listen(20)

    def end() -> None:
        while True:
            try:
                port.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=end, daemon=True).start()
    error = asked(f"http://127.0.0.1:{port.getsockname()[1]}", tmp_path)
    assert "without an answer" in error.what and "https://" in error.fix
    port.shutdown(socket.SHUT_RDWR)


def test_another_program_answers(website: tuple[str, int], tmp_path: Path) -> None:
    address, status = website
    error = asked(f"http://{address}", tmp_path)
    assert "other than Elasticsearch" in error.what and str(status) in error.why and "<" not in error.why
    assert "TLS" in asked(f"https://{address}", tmp_path).what


def test_a_host_without_an_address(tmp_path: Path) -> None:
    error = asked("http://search1.invalid:9200", tmp_path)  # a name that is never given away
    assert "no address" in error.what


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("TLS error caused by: SSLError([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
         "certificate (_ssl.c:1006))", "We do not trust the certificate that Elasticsearch shows"),
        ('Fingerprints did not match. Expected "ab", got "cd"', "another certificate"),
        ("a word that nobody knows yet", "cannot be reached"),
    ],
)  # fmt: skip
def test_silence_for_reasons_of_tls(said: str, what: str) -> None:
    error = silent(said, where="https://x")
    assert what in error.what and error.why in said and error.fix


def test_a_wrong_key_and_a_key_without_rights_are_told_apart() -> None:
    wrong = unable(401, "security_exception", "unable to authenticate with provided credentials", where="x")
    poor = unable(403, "security_exception", "action [indices:data/write/bulk] is unauthorized", where="x")
    assert "refuses our credentials" in wrong.what and "LOGSENSE" not in wrong.what and "expired" in wrong.fix
    assert "lacks a right" in poor.what and "manage_index_templates" in poor.fix
