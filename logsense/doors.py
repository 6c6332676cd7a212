"""The ports of single protocols that a server opens, each behind its gate."""

from __future__ import annotations

from typing import Any

from logsense import access, registry
from logsense.api.auth import Forbidden
from logsense.api.credentials import allow, anybody, candidates
from logsense.config import PortOptions, Settings
from logsense.errors import BadConfig
from logsense.gate import Gate
from logsense.keys import KeyStore
from logsense.stages import Intake
from logsense.tenancy import HEADER
from logsense.tenants import Tenants


def open_ports(settings: Settings, tenants: Tenants, keys: KeyStore) -> list[Any]:
    """Sources for syslog and for what ``[ports]`` switches on, besides the further doors to HTTP. Raises BadConfig."""
    from logsense.receivers._sockets import SocketOptions
    from logsense.sources.syslog import SyslogOptions

    options: PortOptions = settings.section("ports")
    rules: access.AccessOptions = settings.section("access")
    _check_tls(options)
    for name in {*rules.tenant.values(), *rules.certificates.values()}:
        tenants.intake(name)
    made: list[Any] = []
    syslog = registry.load(registry.SOURCES["syslog"])
    for port in access.ports_of(settings):
        gate = access.gate_of(rules, port.name, tenants.door, tenants.limiter)
        chain, private = (options.certificate, options.key) if port.tls else (None, None)
        ca = access.client_ca(rules, port)
        if port.name == "syslog":
            made.append(syslog(SyslogOptions(host=port.host, udp_port=port.number, tcp_port=port.number, gate=gate)))
        elif port.name == "syslog_tls":
            made.append(
                syslog(SyslogOptions(host=port.host, udp_port=None, tcp_port=None, tls_port=port.number,
                                     certificate=chain, key=private, client_ca=ca, gate=gate))
            )  # fmt: skip
        else:
            more: dict[str, Any] = {}
            if port.name == "otlp_grpc":
                more["authorize"] = Authorizer(keys, tenants, gate)
            elif port.name == "fluent" and rules.fluent_shared_key:
                more.update(shared_key=rules.fluent_shared_key, users=rules.fluent_users)
            door = SocketOptions(
                host=port.host, port=port.number, certificate=chain, key=private, client_ca=ca, gate=gate
            )
            made.append(registry.load(registry.PORTS[port.name])(door, **more))
    return made


class Authorizer:
    """Decides about gRPC calls: network, then key (or, without keys, certificate), then tenant."""

    def __init__(self, keys: KeyStore, tenants: Tenants, gate: Gate) -> None:
        self._keys, self._tenants, self._gate = keys, tenants, gate

    def __call__(self, headers: dict[str, str], address: str, names: list[str]) -> Intake:
        """Where the call hands over. Raises Forbidden, Unauthorized, BadInput."""
        if not self._gate.admits(address):
            raise Forbidden(
                f"{address} may not send here", why="it is in none of the networks that may", where="[access] allow"
            )
        wanted = headers.get(HEADER, "")
        if self._keys.enabled():
            texts = [text for text in candidates(headers) if text]
            key = next(filter(None, map(self._keys.find, texts)), None)
            return self._tenants.door(allow(key, "ingest", wanted, shown=bool(texts)))
        if wanted:
            return self._tenants.door(anybody(wanted, address))
        return self._gate.connection(address, names)


def _check_tls(options: PortOptions) -> None:
    wrong = [name for name in options.tls if name not in registry.PORTS]
    if wrong or (options.tls and options.certificate is None):
        raise BadConfig(
            f"{wrong[0]!r} in [ports] tls is no port that can be TLS." if wrong else "TLS needs a certificate.",
            fix=f"use {', '.join(registry.PORTS)}" if wrong else "set certificate (and key) in [ports]",
        )
