"""Certificates and users against a real server that asks for them."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import shutil
import ssl
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logsense.errors import IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import Action, LogRecord, Query
from tests.elasticsearch_server import USER, Server

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate"),
]


@pytest.fixture(scope="module")
def server(secure_elasticsearch: Server) -> Server:
    return secure_elasticsearch


def works(folder: Path, **options: Any) -> None:
    index = ElasticIndex(folder, writer=True, options=ElasticOptions(**options))
    index.write_logs([LogRecord("1", 10**18, "hello", "s", 0), LogRecord("old", 10**17, "hello", "s", 0)])
    index.put_template_vectors(["t"], np.eye(1, 8, dtype=np.float32), "m")
    index.add_action(Action("i", "note", 10**18))
    index.commit()
    assert index.search(Query(text="hello"))[0] == 2
    assert [record.id for record in index.scan(Query())] == ["old", "1"]
    index.options = index._store.options = dataclasses.replace(index.options, retention_days=1)
    assert len(index.retain(10**18)) == 1
    index.close()


def test_a_user_with_authority_or_fingerprint(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = server.certificate.read_text()
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    urls, ca_file = [server.url], str(server.certificate)
    works(tmp_path, urls=urls, user=USER[0], password=USER[1], ca_file=ca_file)
    works(tmp_path, urls=urls, user=USER[0], password=USER[1], fingerprint=fingerprint)
    monkeypatch.setenv("LOGSENSE_ELASTICSEARCH_PASSWORD", USER[1])
    works(tmp_path, urls=urls, user=USER[0], ca_file=ca_file)


def test_an_api_key_with_rights_on_our_indices_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls, ca_file = [server.url], str(server.certificate)
    key = server.api_key()
    works(tmp_path, urls=urls, api_key=key, ca_file=ca_file)
    monkeypatch.setenv("LOGSENSE_ELASTICSEARCH_API_KEY", key)
    works(tmp_path, urls=urls, ca_file=ca_file)
    monkeypatch.delenv("LOGSENSE_ELASTICSEARCH_API_KEY")
    elsewhere = ElasticOptions(urls=urls, prefix="other", api_key=key, ca_file=ca_file)
    index = ElasticIndex(tmp_path, writer=False, options=elsewhere)
    with pytest.raises(IndexUnavailable, match="lacks a right"):
        index._store.client.ask("PUT", "/other-logs-2026.01.01")
    index.close()


def test_a_key_that_may_only_read_asks_and_is_refused_to_write(server: Server, tmp_path: Path) -> None:
    urls, ca_file = [server.url], str(server.certificate)
    works(tmp_path, urls=urls, api_key=server.api_key(), ca_file=ca_file)
    reading = ElasticOptions(urls=urls, api_key=server.api_key("read", "view_index_metadata"), ca_file=ca_file)
    said: list[IndexUnavailable] = []

    def waiting(reason: IndexUnavailable) -> bool:
        said.append(reason)
        return True

    reader = ElasticIndex(tmp_path, writer=False, options=reading)
    assert reader.search(Query(text="hello"))[0] == 1
    reader.close()
    writer = ElasticIndex(tmp_path, writer=True, options=reading, waiting=waiting)
    with pytest.raises(IndexUnavailable):
        writer.write_logs([LogRecord("2", 10**18, "hello again", "s", 0)])
        writer.commit()
    assert "lacks a right" in said[0].what and "write" in said[0].fix  # waited for: people mend keys
    assert writer.rejected == 0
    writer.close()


def test_what_is_wrong_is_said(server: Server, tmp_path: Path) -> None:
    ca_file = str(server.certificate)
    for options, said in (
        ({"user": USER[0], "password": "wrong", "ca_file": ca_file}, "credentials"),
        ({"ca_file": ca_file}, "credentials"),
        ({"api_key": base64.b64encode(b"id:key").decode(), "ca_file": ca_file}, "provided credentials"),
        ({"user": USER[0], "password": USER[1]}, "certificate"),
        ({"user": USER[0], "password": USER[1], "fingerprint": "ab" * 32}, "ingerprint"),
    ):
        index = ElasticIndex(tmp_path, writer=False, options=ElasticOptions(urls=[server.url], **options))
        with pytest.raises(IndexUnavailable) as raised:
            index.time_range()
        assert said in str(raised.value), str(raised.value)
        index.close()
