"""API keys of one data folder: who may send, search, or administer.

A key is ``ls_<id>_<secret>`` with 256 random bits; only its SHA-256 is kept (a random secret of that length cannot be
guessed, so a slow hash would add nothing but delay). As soon as the file exists, every request needs a key; revoking
the last one does not open the server again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from logsense.errors import BadConfig, BadInput, NotFound
from logsense.tenancy import ANY, DEFAULT, check_name

SCOPES = ("ingest", "search", "admin")
FILE = "keys.json"
_SESSION_S = 12 * 3600
_RECHECK_S = 0.5


@dataclass(slots=True)
class Key:
    """One key as it is stored: everything but the secret."""

    id: str
    name: str
    scopes: list[str]
    digest: str
    created: str
    revoked: str = ""
    #: Whose lines it sends and sees: the first unless a request names another one of them. None: the default tenant.
    tenants: list[str] = field(default_factory=list)

    def tenant(self) -> str:
        """The tenant of a request that names none."""
        return self.tenants[0] if self.tenants and self.tenants[0] != ANY else DEFAULT

    def may_choose(self, tenant: str) -> bool:
        """Whether a request with this key may name ``tenant``: an admin without tenants of its own may name any."""
        if ANY in self.tenants or (not self.tenants and "admin" in self.scopes):
            return True
        return tenant in (self.tenants or [DEFAULT])

    def may(self, scope: str) -> bool:
        """``admin`` may everything."""
        return scope in self.scopes or "admin" in self.scopes


class KeyStore:
    """The keys in ``data/keys.json``. Safe to use from several threads; other processes' changes are seen at once."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._secret = b""
        self._stamp: tuple[int, int, int] | None = None
        self._checked = 0.0

    def enabled(self) -> bool:
        """Whether keys are asked for."""
        self._load()
        return self._stamp is not None

    def all(self) -> list[Key]:
        self._load(force=True)
        return list(self._keys.values())

    def add(self, name: str, scopes: list[str], tenants: Sequence[str] = ()) -> str:
        """A new key; its text is returned once and kept nowhere. Raises BadInput."""
        chosen = [tenant if tenant == ANY else check_name(tenant) for tenant in tenants]
        unknown = [s for s in scopes if s not in SCOPES]
        if unknown or not scopes:
            raise BadInput(
                f"Unknown scope {unknown[0]!r}." if unknown else "A key needs a scope.", fix=f"use {', '.join(SCOPES)}"
            )
        self._load(force=True)
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = f"ls_{key_id}_{secret}"
        self._keys[key_id] = Key(key_id, name, sorted(set(scopes)), _digest(text), created, tenants=chosen)
        self._save()
        return text

    def revoke(self, which: str) -> Key:
        """End a key by its id or its name. Raises NotFound."""
        self._load(force=True)
        found = [k for k in self._keys.values() if which in (k.id, k.name) and not k.revoked]
        if len(found) != 1:
            raise NotFound(
                f"{'No key' if not found else 'More than one key'} is called {which!r}.",
                fix="give the id that `logsense keys list` shows",
            )
        found[0].revoked = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._save()
        return found[0]

    def find(self, text: str) -> Key | None:
        """The key with this text, if it is known and not revoked. Takes the same time for a wrong secret."""
        self._load()
        parts = text.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 and parts[0] == "ls" else None
        right = hmac.compare_digest(_digest(text), key.digest if key else "0" * 64)
        return key if key is not None and right and not key.revoked else None

    # Sessions of the pages: a signed cookie instead of the key itself

    def session(self, key: Key, now_s: float | None = None) -> str:
        """A signed statement that the bearer showed ``key``; it ends by itself, and with the key."""
        until = int((time.time() if now_s is None else now_s) + _SESSION_S)
        return f"{key.id}.{until}.{self._sign(key, until)}"

    def find_session(self, cookie: str) -> Key | None:
        self._load()
        parts = cookie.split(".")
        key = self._keys.get(parts[0]) if len(parts) == 3 else None
        if key is None or key.revoked or not parts[1].isdecimal() or len(parts[1]) > 12:
            return None
        until = int(parts[1])
        right = hmac.compare_digest(parts[2].encode(), self._sign(key, until).encode())
        return key if right and time.time() < until <= time.time() + _SESSION_S + 60 else None

    def _sign(self, key: Key, until: int) -> str:
        return hmac.new(self._secret, f"{key.id}.{until}.{key.digest}".encode(), hashlib.sha256).hexdigest()

    # The file

    def _load(self, *, force: bool = False) -> None:
        with self._lock:
            now = time.monotonic()
            if not force and now - self._checked < _RECHECK_S and self._checked:
                return
            self._checked = now
            try:
                stat = self.path.stat()
            except FileNotFoundError:
                # Seen once, the file's absence is no reason to open a running server.
                return
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp == self._stamp:
                return
            try:
                document = json.loads(self.path.read_text(encoding="utf-8"))
                self._keys = {row["id"]: Key(**row) for row in document["keys"]}
                self._secret = bytes.fromhex(document["secret"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BadConfig(
                    "The API keys cannot be read.", why=str(error), where=str(self.path), fix="restore it from a backup"
                ) from error
            self._stamp = stamp

    def _save(self) -> None:
        self._secret = self._secret or secrets.token_bytes(32)
        document = {"keys": [asdict(k) for k in self._keys.values()], "secret": self._secret.hex()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{FILE}.{os.getpid()}.tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self._load(force=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
