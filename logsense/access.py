"""How the ports without API keys are protected, and whether that is enough to start.

API keys belong to HTTP and OTLP. The other protocols know none: on such a port a network list, a client certificate
or (Fluent forward) a shared key says who may send.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logsense import registry
from logsense.caller import Caller
from logsense.config import PortOptions, ServerOptions, Settings
from logsense.errors import BadConfig, BadInput
from logsense.gate import Gate, Network
from logsense.limits import Limiter
from logsense.stages import Intake
from logsense.tenancy import DEFAULT, check_name

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SYSLOG = ("syslog", "syslog_tls")
#: Ports that also listen for datagrams: a client certificate protects only half of them.
_UDP = ("syslog", "gelf", "lines", "graphite", "statsd")
_ALL = "all"


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """``[access]``: the ports whose protocols know no API keys. Ports are named as in ``[ports]``; ``syslog`` is
    ``[server] syslog_port``; ``all`` stands for those that are not named."""

    #: Networks that may send, by port: ``allow = {syslog = ["10.0.0.0/8"], all = ["192.0.2.0/24"]}``.
    allow: dict[str, Any] = field(default_factory=dict)
    #: PEM file of the authority that clients' certificates must be signed by, by port; the port must be TLS.
    client_ca: dict[str, Any] = field(default_factory=dict)
    #: Whose lines come in, by port: ``tenant = {relp = "team-a"}``; without it the default tenant's.
    tenant: dict[str, Any] = field(default_factory=dict)
    #: Whose lines a client's certificate sends, by its common name or a DNS name in it; goes before ``tenant``.
    certificates: dict[str, Any] = field(default_factory=dict)
    #: The key that Fluent forward's clients must share (``shared_key`` of Fluentd, ``Shared_Key`` of Fluent Bit).
    fluent_shared_key: str = ""
    #: Users and passwords that Fluent forward's clients must give as well.
    fluent_users: dict[str, Any] = field(default_factory=dict)
    #: Ports that may listen beyond loopback although nothing protects them, while there are API keys.
    open: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {*registry.PORTS, *SYSLOG, _ALL}
        for name in (*self.allow, *self.client_ca, *self.tenant, *self.open):
            if name not in known:
                raise ValueError(f"{name!r} is no port; known: {', '.join(sorted(known))}")
        for name in self.allow:
            networks_of(self, name)
        for table in (self.client_ca, self.certificates, self.tenant, self.fluent_users):
            if not all(isinstance(value, str) and value for value in table.values()):
                raise ValueError("client_ca, tenant, certificates and fluent_users map names to texts")
        for tenant in (*self.tenant.values(), *self.certificates.values()):
            try:
                check_name(tenant)
            except BadInput as error:
                raise ValueError(f"{error.what} {error.why}") from error
        if self.fluent_users and not self.fluent_shared_key:
            raise ValueError("fluent_users needs fluent_shared_key")


@dataclass(frozen=True, slots=True)
class Port:
    """One port that is switched on."""

    name: str
    host: str
    number: int
    tls: bool = False

    @property
    def local(self) -> bool:
        return self.host in LOOPBACK


def ports_of(settings: Settings) -> list[Port]:
    """The ports without API keys that the settings switch on, OTLP's among them (which has keys)."""
    server: ServerOptions = settings.section("server")
    options: PortOptions = settings.section("ports")
    host = options.host or server.host
    found = [Port("syslog", server.host, server.syslog_port)] if server.syslog_port else []
    found += [Port("syslog_tls", host, options.syslog_tls, tls=True)] if options.syslog_tls else []
    for name in registry.PORTS:
        if number := getattr(options, name):
            found.append(Port(name, host, number, tls=name in options.tls))
    return found


def networks_of(options: AccessOptions, name: str) -> list[Network]:
    """Raises ValueError for what is no network."""
    given = options.allow.get(name, options.allow.get(_ALL, ()))
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError(f'allow.{name} is a list of networks such as ["10.0.0.0/8"]')
    return [ipaddress.ip_network(one, strict=False) for one in given]


def client_ca(options: AccessOptions, port: Port) -> Path | None:
    """The authority of the clients of this port. Raises BadConfig where there is no TLS to show a certificate in."""
    given = options.client_ca.get(port.name)
    if given and not port.tls:
        raise BadConfig(
            f"The port {port.name!r} cannot ask for client certificates.",
            why="it is not TLS",
            where="[access] client_ca",
            fix=f"name {port.name!r} in [ports] tls and set a certificate, or use [access] allow",
        )
    given = given or (options.client_ca.get(_ALL) if port.tls else None)
    return Path(given) if given else None


def protection(settings: Settings, port: Port, *, keys: bool) -> str:
    """What keeps strangers from this port, in a few words; empty: nothing does."""
    options: AccessOptions = settings.section("access")
    if port.name == "otlp_grpc" and keys:
        return "API keys"
    found = []
    if networks := networks_of(options, port.name):
        found.append(f"only from {', '.join(map(str, networks))}")
    if client_ca(options, port) is not None and port.name not in _UDP:
        found.append("client certificates")
    if port.name == "fluent" and options.fluent_shared_key:
        found.append("shared key")
    if not found and port.local:
        found.append("this machine only")
    return ", ".join(found)


def check(settings: Settings, *, keys: bool) -> None:
    """Raise BadConfig for a port beyond loopback that lets everybody in, unless ``open`` says that this is meant."""
    options: AccessOptions = settings.section("access")
    for port in ports_of(settings):
        found = protection(settings, port, keys=keys)
        if not found and port.name not in options.open:
            where = "[server] syslog_port" if port.name == "syslog" else f"[ports] {port.name}"
            raise BadConfig(
                f"The port {port.name!r} would take lines from anyone who reaches {port.host}:{port.number}.",
                why="this protocol cannot show an API key"
                + (", and UDP no certificate" if port.name in _UDP and port.name in options.client_ca else ""),
                where=where,
                fix=f'list who may send: [access] allow = {{{port.name} = ["10.0.0.0/8"]}}; or ask for client '
                f"certificates (client_ca, for TLS without UDP); or set {where} to 0; or say that it is meant: "
                f'[access] open = ["{port.name}"]',
            )


def describe(settings: Settings, *, keys: bool) -> list[dict[str, Any]]:
    """{"port", "address", "tls", "protection", "tenant"} of each port, for people."""
    options: AccessOptions = settings.section("access")
    return [
        {
            "port": port.name,
            "address": f"{port.host}:{port.number}",
            "tls": port.tls,
            "protection": protection(settings, port, keys=keys) or "nothing: anyone who reaches it may send",
            "tenant": tenant_of(options, port.name),
        }
        for port in ports_of(settings)
    ]


def tenant_of(options: AccessOptions, name: str) -> str:
    """Whose lines a port takes in."""
    return str(options.tenant.get(name, options.tenant.get(_ALL, DEFAULT)))


def gate_of(options: AccessOptions, name: str, door: Callable[[Caller], Intake], limiter: Limiter) -> Gate:
    """The gate of the port ``name``."""
    return Gate(
        door,
        limiter,
        networks=networks_of(options, name),
        tenant=tenant_of(options, name),
        certificates=options.certificates,
    )
