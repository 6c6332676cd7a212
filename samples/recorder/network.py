"""Scenario ``network``: what goes wrong between clients, a load balancer, its servers, DNS and a proxy."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

from recorder import common
from recorder.host import Host, World, run, stop
from recorder.kernel import allow_kernel_log
from recorder.network_services import APP1, APP2, EDGE, LINK, NGINX, NS1, STRANGERS, ZONE, Services
from recorder.timeline import Fault, Mark, Scenario, Tail

FAULTS = ("upstream-down", "zone-broken", "forwarder-down", "port-scan", "request-flood", "slow-link", "packet-loss")


class Network(Services):
    """The faults that are done to the services, and the benign events between them."""

    # --- faults -----------------------------------------------------------------------------------------------

    def upstream_down(self, host: Host) -> Callable[[Mark], None]:
        def fault(mark: Mark) -> None:
            broken, tail = mark.rng.random() < 0.5, Tail(self.edge.logs / "haproxy.log")
            unit = self.nginx[host.name]
            if broken:  # a bad configuration and a restart: nginx refuses to start again and again
                host.write("/etc/nginx/nginx.conf", NGINX.replace("listen 80;", "listen 80; proxy_timeout 4;"))
                unit.restart()
            else:
                unit.stop()
            try:
                if tail.wait("is DOWN", 30):
                    mark.seen()
                time.sleep(mark.rng.uniform(50, 85))
            finally:
                host.write("/etc/nginx/nginx.conf", NGINX)
                if not broken:
                    unit.start()
            Tail(self.edge.logs / "haproxy.log").wait("is UP", 40)
            self.calm_web()
            mark.facts.update(
                how="was restarted with an invalid directive and did not start" if broken else "was stopped"
            )

        return fault

    def zone_broken(self, mark: Mark) -> None:
        tail = Tail(self.ns1.logs / "named.log")
        self.ns1.write("/etc/bind/corp.zone", ZONE + "intranet2 IN A 10.20.0.520\n")
        self.bind.restart()
        try:
            if tail.wait(r"not loaded due to errors", 20):
                mark.seen()
            time.sleep(mark.rng.uniform(55, 90))
        finally:
            self.ns1.write("/etc/bind/corp.zone", ZONE)
            self.bind.restart()
        self.calm_dns()

    def forwarder_down(self, mark: Mark) -> None:
        tail = Tail(self.ns1.logs / "named.log")
        self.bind2.stop()
        try:
            if tail.wait("SERVFAIL|timed out|refused", 40):
                mark.seen()
            time.sleep(mark.rng.uniform(55, 90))
        finally:
            self.bind2.start()
        self.calm_dns()

    def _attack(self, mode: str, rate: float, seconds: float, sources: list[str]) -> int:
        proc = self.client.python("flood.py", mode, EDGE, f"{rate:.1f}", f"{seconds:.0f}", *sources, stdout=-1)
        out, _ = proc.communicate(timeout=seconds + 30)
        return int(out)

    def port_scan(self, mark: Mark) -> None:
        tail = Tail(self.edge.logs / "syslog.log")
        source = mark.rng.choice(STRANGERS)
        mark.seen()
        count = self._attack("scan", mark.rng.uniform(4, 8), mark.rng.uniform(50, 80), [source])
        tail.wait("UFW BLOCK", 2)
        time.sleep(2)
        mark.facts.update(count=count, source=source)

    def request_flood(self, mark: Mark) -> None:
        mark.seen()
        sources = mark.rng.sample(STRANGERS, mark.rng.randint(2, 3))
        count = self._attack("requests", mark.rng.uniform(20, 27), mark.rng.uniform(42, 50), sources)
        self.calm_web()
        mark.facts.update(count=count, sources=", ".join(sources))

    def slow_link(self, mark: Mark) -> None:
        delay = round(mark.rng.uniform(0.3, 0.55), 2)
        relay = self.link.python("relay.py", str(delay), str(delay / 4), f"8081:{APP1}:80", f"8082:{APP2}:80")
        time.sleep(1)
        self.edge.sh(
            "nft -f - <<'E'\ntable ip slow {\n chain out {\n  type nat hook output priority -100;\n"
            f"  ip daddr {APP1} tcp dport 80 dnat to {LINK}:8081\n  ip daddr {APP2} tcp dport 80 dnat to {LINK}:8082\n"
            " }\n}\nE"
        )
        try:
            if common.until(lambda: self.web().get("http.client.latency", 0) > delay, 20):
                mark.seen()
            time.sleep(mark.rng.uniform(60, 95))
        finally:
            self.edge.sh("nft delete table ip slow")
            time.sleep(4)  # connections on the way through the relay end first
            stop(relay)
        self.calm_web()
        mark.facts.update(delay=delay)

    def packet_loss(self, mark: Mark) -> None:
        share = mark.rng.randint(25, 40)
        self.edge.sh(
            "nft -f - <<'E'\ntable inet loss {\n chain in {\n  type filter hook input priority -10;\n"
            f"  ip saddr 10.20.0.0/16 numgen random mod 100 < {share} drop\n }}\n}}\nE"
        )
        try:
            if common.until(lambda: self.web().get("http.client.latency", 0) > 0.19, 20):
                mark.seen()
            time.sleep(mark.rng.uniform(60, 95))
        finally:
            self.edge.sh("nft delete table inet loss")
        self.calm_web()
        mark.facts.update(share=share)

    # --- benign events ----------------------------------------------------------------------------------------

    def stray(self) -> None:
        """Background noise of the internet: two packets to a closed port."""
        self._attack("scan", 1, 2, [self.rng.choice(STRANGERS)])

    def drain(self) -> None:
        """Take api2 out of rotation and back, as before maintenance."""
        for state in ("maint", "ready"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect(f"{self.edge.root}/run/haproxy.sock")
                sock.sendall(f"set server web/api2 state {state}\n".encode())
                sock.recv(99)
            time.sleep(6)

    def typo(self) -> None:
        self.client.sh(
            f"for q in 'wwww.corp.test A' 'corp.test MX'; do dig +time=1 +tries=1 @{NS1} $q >/dev/null; done",
            check=False,
        )


def versions() -> dict[str, str]:
    shown = run(
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${Version}\n",
        "haproxy",
        "nginx-light",
        "bind9",
        "squid",
        "rsyslog",
        "nftables",
    )
    return dict(line.split() for line in shown.stdout.splitlines()) | {
        "kernel": Path("/proc/version").read_text().split()[2]
    }


def build(world: World, rng: random.Random) -> Scenario:
    """Start everything; the faults are run by the timeline."""
    allow_kernel_log(world)
    n = Network(world, rng)
    if not common.until(lambda: n.web().get("http.client.requests") and not n.web().get("http.client.errors"), 30):
        raise RuntimeError("HAProxy does not answer")
    victim = rng.choice([n.api1, n.api2])
    part = {"api1": "api", "api2": "media"}[victim.name]
    faults = [
        Fault(
            "upstream-down",
            "upstream_down",
            victim.name,
            "nginx",
            ["edge1/haproxy", "proxy1/squid"],
            n.upstream_down(victim),
            f"nginx on {victim.name} {{how}}; HAProxy had no other server for /{part}/.",
            f"haproxy: 'Server web/{victim.name} is DOWN', 'backend {part} has no server available!', 503 with NOSRV; "
            "http.client.errors, haproxy.responses.5xx up; haproxy.servers.up down",
        ),
        Fault(
            "zone-broken",
            "dns_failure",
            "ns1",
            "named",
            ["proxy1/squid"],
            n.zone_broken,
            "named was restarted with a zone file for corp.test that has an invalid address.",
            "named.log: 'not loaded due to errors', 'query failed (SERVFAIL)'; "
            "squid TCP_MISS/502 or 503; dns.client.errors up",
        ),
        Fault(
            "forwarder-down",
            "dns_failure",
            "ns2",
            "named",
            ["ns1/named", "proxy1/squid"],
            n.forwarder_down,
            "The name server that ns1 forwards partner.test to was stopped.",
            "ns2 named.log: 'shutting down', 'exiting', no queries; ns1 named.log: 'query failed (SERVFAIL)' for "
            "shop.partner.test; squid 502 or 503 for it; dns.client.errors up",
        ),
        Fault(
            "port-scan",
            "port_scan",
            "edge1",
            "kernel",
            [],
            n.port_scan,
            "{source} tried to connect to {count} ports of edge1.",
            "kernel '[UFW BLOCK]' lines with one SRC and many DPT",
        ),
        Fault(
            "request-flood",
            "request_flood",
            "edge1",
            "haproxy",
            ["api1/nginx", "api2/nginx"],
            n.request_flood,
            "{count} requests from {sources}, about thirty times the usual rate.",
            "haproxy.requests.rate up, 429 answers (haproxy.responses.4xx), termination state PR--",
        ),
        Fault(
            "slow-link",
            "network_latency",
            "edge1",
            "haproxy",
            ["api1/nginx", "api2/nginx", "proxy1/squid"],
            n.slow_link,
            "Traffic from HAProxy to its servers took a relay that delays each chunk by {delay} s.",
            "http.client.latency up; the Tr timer of haproxy lines (fourth number) is near twice the delay",
        ),
        Fault(
            "packet-loss",
            "network_loss",
            "edge1",
            "kernel",
            ["edge1/haproxy", "proxy1/squid"],
            n.packet_loss,
            "{share} of 100 packets that reached edge1 were dropped at random.",
            "http.client.latency 0.2 s to seconds; tcp.retransmits up; timeouts of health checks ('Layer4 timeout')",
        ),
    ]
    benign: list[tuple[str, Callable[[], object]]] = [
        *[("stray packets", n.stray)] * 3,
        ("drain of api2", n.drain),
        ("haproxy reload", lambda: n.edge.sh("kill -USR2 $(cat /run/haproxy.pid)")),
        ("mistyped name", n.typo),
        ("named reload", lambda: n.ns1.sh("kill -HUP $(cat /run/named/pid)")),
        ("mistyped name", n.typo),
        ("squid reconfigure", lambda: n.proxy.sh("kill -HUP $(cat /run/squid.pid)")),
        ("nginx reload", lambda: n.api1.sh("nginx -s reload")),
        ("nginx reload", lambda: n.api2.sh("nginx -s reload")),
        ("log rotation", lambda: n.edge.sh("kill -HUP $(cat /run/rsyslogd.pid)")),
    ]
    http = ["http.client.requests", "http.client.errors", "http.client.latency"]
    columns = {
        "edge1": [
            "haproxy.sessions.current",
            "haproxy.servers.up",
            "haproxy.requests.rate",
            "haproxy.responses.4xx",
            "haproxy.responses.5xx",
            *http,
        ],
        "api1": [],
        "api2": [],
        "ns1": ["dns.client.queries", "dns.client.errors", "dns.client.latency"],
        "proxy1": http,
    }
    return Scenario(
        "network",
        world,
        {
            "edge1": ["haproxy", "kernel"],
            "api1": ["nginx"],
            "api2": ["nginx"],
            "ns1": ["named"],
            "ns2": ["named"],
            "proxy1": ["squid"],
        },
        faults,
        benign,
        {"edge1": [n.front, n.web], "ns1": [n.dns], "proxy1": [n.surf]},
        columns,
        versions(),
        leave_out=("system.disk.",),  # no service of these hosts writes to its volume
        take=6,
    )
