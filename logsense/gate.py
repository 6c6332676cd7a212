"""The gate of a port whose protocol knows no API keys: who may send there, whose lines they are, and how fast.

Connections and datagrams pass it before a byte of theirs is looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logsense.caller import Caller
from logsense.limits import Limiter
from logsense.stages import Intake
from logsense.tenancy import DEFAULT

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Gate:
    """``door`` gives the intake of a caller. No ``networks`` means that every address may send.

    ``certificates``: common name or DNS name of a client's certificate → its tenant, before the port's own.
    """

    def __init__(
        self,
        door: Callable[[Caller], Intake],
        limiter: Limiter,
        *,
        networks: Sequence[Network] = (),
        tenant: str = DEFAULT,
        certificates: Mapping[str, str] | None = None,
    ) -> None:
        self._door, self._limiter = door, limiter
        self.networks, self.tenant, self.certificates = tuple(networks), tenant, dict(certificates or {})

    def admits(self, address: str) -> bool:
        """Whether this address may send here."""
        if not self.networks:
            return True
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in network for network in self.networks)

    def connection(self, address: str, names: Sequence[str] = ()) -> Intake:
        """Where a connection hands over; ``names`` are those of its certificate. Too fast a sender is not read."""
        tenant = next((self.certificates[name] for name in names if name in self.certificates), self.tenant)
        return self._door(Caller(tenant, source=names[0] if names else address))

    def datagrams(self) -> Intake:
        """Where datagrams are handed over; how fast was decided when each arrived."""
        return self._door(Caller(self.tenant))

    def takes(self, address: str, lines: int, size: int) -> bool:
        """Whether a datagram keeps its sender within the limits."""
        return not self._limiter.take(address, lines, size)


def certificate_names(certificate: Mapping[str, Any] | None) -> list[str]:
    """The common name and the DNS names of a peer's certificate, as ``ssl`` gives it."""
    found: list[str] = []
    for part in (certificate or {}).get("subject", ()):
        found += [value for key, value in part if key == "commonName"]
    found += [value for key, value in (certificate or {}).get("subjectAltName", ()) if key == "DNS"]
    return list(dict.fromkeys(found))
