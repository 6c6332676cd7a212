"""Minimal clients for PostgreSQL, MariaDB and Redis: just enough wire protocol for trusted local accounts.

The recorder keeps to the standard library, and a load generator that forked ``psql`` for every statement
would cost more than the databases that it measures.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress


class DatabaseError(Exception):
    """What the server answered instead of a result."""


class Wire:
    """A socket that reads exact amounts."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.settimeout(timeout)
        self.buffer = b""

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise DatabaseError("server closed the connection unexpectedly")
            self.buffer += chunk
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def close(self) -> None:
        self.sock.close()


class Postgres(Wire):
    """Protocol 3, simple queries, text results, trust authentication."""

    def __init__(
        self, host: str, user: str, database: str, timeout: float = 10, app: str = "shop", port: int = 5432
    ) -> None:
        super().__init__(host, port, timeout)
        body = struct.pack("!i", 196608)
        for word in ("user", user, "database", database, "application_name", app):
            body += word.encode() + b"\0"
        body += b"\0"
        self.sock.sendall(struct.pack("!i", len(body) + 4) + body)
        self._answer()

    def close(self) -> None:
        with suppress(OSError):
            self.sock.sendall(b"X\0\0\0\4")
        super().close()

    def query(self, sql: str) -> list[list[str]]:
        body = sql.encode() + b"\0"
        self.sock.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        return self._answer()

    def _answer(self) -> list[list[str]]:
        rows: list[list[str]] = []
        error = ""
        while True:
            kind = self.exactly(1)
            body = self.exactly(struct.unpack("!i", self.exactly(4))[0] - 4)
            if kind == b"D":
                rows.append(self._row(body))
            elif kind == b"E":
                fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
                error = f"{fields.get(b'S', 'ERROR')}: {fields.get(b'M', '')}"
                if fields.get(b"S") in ("FATAL", "PANIC"):
                    raise DatabaseError(error)
            elif kind == b"Z":
                if error:
                    raise DatabaseError(error)
                return rows

    @staticmethod
    def _row(body: bytes) -> list[str]:
        out, at = [], 2
        for _ in range(struct.unpack("!h", body[:2])[0]):
            size = struct.unpack("!i", body[at : at + 4])[0]
            at += 4
            out.append(body[at : at + max(size, 0)].decode())
            at += max(size, 0)
        return out


class MariaDB(Wire):
    """Handshake with an empty password, COM_QUERY, text results."""

    def __init__(self, host: str, user: str, database: str, timeout: float = 10) -> None:
        super().__init__(host, 3306, timeout)
        self._packet()
        flags = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000  # database, protocol 41, plugin authentication
        body = struct.pack("<iiB23x", flags, 2**24, 45) + user.encode() + b"\0\0" + database.encode() + b"\0"
        self._send(1, body + b"mysql_native_password\0")
        first = self._packet()
        if first[:1] == b"\xfe":  # switch of authentication method: an empty password answers emptily
            self._send(3, b"")
            self._packet()

    def close(self) -> None:
        with suppress(OSError):
            self._send(0, b"\x01")
        super().close()

    def _send(self, number: int, body: bytes) -> None:
        self.sock.sendall(struct.pack("<i", len(body))[:3] + bytes([number]) + body)

    def _packet(self) -> bytes:
        head = self.exactly(4)
        body = self.exactly(int.from_bytes(head[:3], "little"))
        if body[:1] == b"\xff":
            raise DatabaseError(f"ERROR {int.from_bytes(body[1:3], 'little')}: {body[9:].decode(errors='replace')}")
        return body

    def query(self, sql: str) -> list[list[str]]:
        self._send(0, b"\x03" + sql.encode())
        first = self._packet()
        if first[:1] == b"\0":
            return []
        while self._packet()[:1] != b"\xfe":  # column definitions, up to EOF
            pass
        rows = []
        while (body := self._packet())[:1] != b"\xfe" or len(body) > 8:
            rows.append(self._row(body))
        return rows

    @staticmethod
    def _row(body: bytes) -> list[str]:
        out, at = [], 0
        while at < len(body):
            size = body[at]
            at += 1
            if size == 0xFB:
                size = 0
            elif size == 0xFC:
                size = int.from_bytes(body[at : at + 2], "little")
                at += 2
            out.append(body[at : at + size].decode(errors="replace"))
            at += size
        return out


class Redis(Wire):
    """RESP 2."""

    def __init__(self, host: str, timeout: float = 5, port: int = 6379) -> None:
        super().__init__(host, port, timeout)

    def call(self, *words: str | bytes) -> object:
        parts = [w if isinstance(w, bytes) else w.encode() for w in words]
        self.sock.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self._reply()

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise DatabaseError("Connection closed by server")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _reply(self) -> object:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise DatabaseError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest.decode()
