"""The handshake of Fluentd's forward protocol: HELO, PING, PONG, with a shared key and perhaps a user.

Both sides prove by SHA-512 that they know the key, without sending it. It does not encrypt: use TLS as well where
others can listen. https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5#authentication
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
from collections.abc import Mapping
from typing import Any


class Handshake:
    """The server's side, for one connection."""

    def __init__(self, shared_key: str, users: Mapping[str, str]) -> None:
        self._key, self._users = shared_key.encode(), users
        self._nonce, self._salt = secrets.token_bytes(16), secrets.token_bytes(16) if users else b""
        self.passed = False

    def hello(self) -> bytes:
        """What a client is greeted with."""
        return _pack(["HELO", {"nonce": self._nonce, "auth": self._salt, "keepalive": True}])

    def answer(self, message: Any) -> bytes:
        """The PONG to a client's PING; ``passed`` says how it went. Raises ValueError for what is no PING."""
        if not isinstance(message, list) or len(message) != 6 or message[0] != b"PING":
            raise ValueError("the first message is no PING, which a shared key needs")
        if not all(isinstance(part, bytes) for part in message[1:]):
            raise ValueError("a PING consists of texts")
        name, salt, digest, user, password = message[1:]
        reason = self._refusal(name, salt, digest, user, password)
        self.passed = not reason
        own = socket.gethostname().encode()
        proof = _digest(salt, own, self._nonce, self._key) if self.passed else ""
        return _pack(["PONG", self.passed, reason, own.decode() if self.passed else "", proof])

    def _refusal(self, name: bytes, salt: bytes, digest: bytes, user: bytes, password: bytes) -> str:
        if not hmac.compare_digest(digest, _digest(salt, name, self._nonce, self._key).encode()):
            return "shared_key mismatch"
        if self._users:
            known = self._users.get(user.decode("utf-8", "replace"))
            expected = _digest(self._salt, user, (known or secrets.token_hex(16)).encode())
            if not hmac.compare_digest(password, expected.encode()) or known is None:
                return "username/password mismatch"
        return ""


def _digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def _pack(message: Any) -> bytes:
    import msgpack

    return bytes(msgpack.packb(message))
