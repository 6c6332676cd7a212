"""Certificates and users against a real server that asks for them."""

from __future__ import annotations

import base64
import hashlib
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logsense.errors import IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import LogRecord, Query
from tests.elasticsearch_server import USER, Server, Unavailable, skip_or_fail

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        made = Server(secure=True)
        made.start()
    except Unavailable as error:
        skip_or_fail(error)
        raise
    yield made
    made.close()


def works(folder: Path, **options: Any) -> None:
    index = ElasticIndex(folder, writer=True, options=ElasticOptions(**options))
    index.write_logs([LogRecord("1", 10**18, "hello", "s", 0)])
    index.commit()
    assert index.search(Query(text="hello"))[0] == 1
    index.close()


def test_a_user_with_authority_or_fingerprint(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = server.certificate.read_text()
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    urls, ca_file = [server.url], str(server.certificate)
    works(tmp_path, urls=urls, user=USER[0], password=USER[1], ca_file=ca_file)
    works(tmp_path, urls=urls, user=USER[0], password=USER[1], fingerprint=fingerprint)
    monkeypatch.setenv("LOGSENSE_ELASTICSEARCH_PASSWORD", USER[1])
    works(tmp_path, urls=urls, user=USER[0], ca_file=ca_file)


def test_what_is_wrong_is_said(server: Server, tmp_path: Path) -> None:
    ca_file = str(server.certificate)
    for options, said in (
        ({"user": USER[0], "password": "wrong", "ca_file": ca_file}, "credentials"),
        ({"ca_file": ca_file}, "credentials"),
        # The bare server cannot make API keys (its index for them needs analysis-common), but it looks at them.
        ({"api_key": base64.b64encode(b"id:key").decode(), "ca_file": ca_file}, "provided credentials"),
        ({"user": USER[0], "password": USER[1]}, "certificate"),
        ({"user": USER[0], "password": USER[1], "fingerprint": "ab" * 32}, "ingerprint"),
    ):
        index = ElasticIndex(tmp_path, writer=False, options=ElasticOptions(urls=[server.url], **options))
        with pytest.raises(IndexUnavailable) as raised:
            index.time_range()
        assert said in str(raised.value), str(raised.value)
        index.close()
