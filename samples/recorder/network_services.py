"""The services of scenario ``network``: HAProxy before two nginx servers, BIND, Squid, and their load."""

from __future__ import annotations

import json
import random
import time

from recorder import common
from recorder.host import Host, World
from recorder.supervisor import Unit
from recorder.timeline import Stats

EDGE, APP1, APP2, NS1, PROXY = "10.20.0.41", "10.20.0.51", "10.20.0.52", "10.20.0.45", "10.20.0.46"
LINK, NS2, CLIENT = "10.20.0.48", "10.20.0.47", "10.20.0.100"
STRANGERS = [f"203.0.113.{n}" for n in (9, 33, 71, 120)] + [f"198.51.100.{n}" for n in (23, 77)]
HAPROXY = f"""\
global
  log /dev/log local0
  user haproxy
  group haproxy
  stats socket /run/haproxy.sock mode 666 level admin
defaults
  mode http
  log global
  option httplog
  option dontlognull
  option forwardfor
  option http-server-close
  timeout connect 2s
  timeout client 8s
  timeout server 5s
  retries 1
frontend www
  bind :80
  stick-table type ip size 10k expire 30s store http_req_rate(10s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 60 }}
  use_backend api if {{ path_beg /api/ }}
  use_backend media if {{ path_beg /media/ }}
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /health
  server api1 {APP1}:80 check inter 2s fall 3 rise 2
  server api2 {APP2}:80 check inter 2s fall 3 rise 2
backend api
  option httpchk GET /health
  server api1 {APP1}:80 check inter 2s fall 3 rise 2
backend media
  option httpchk GET /health
  server api2 {APP2}:80 check inter 2s fall 3 rise 2
"""
NGINX = """\
user www-data; worker_processes 1; pid /run/nginx.pid; error_log /var/log/nginx_error.log notice;
events { worker_connections 128; }
http {
  access_log /var/log/nginx_access.log combined; server_tokens off; default_type text/plain;
  set_real_ip_from 10.20.0.0/16; real_ip_header X-Forwarded-For;
  server {
    listen 80; root /srv/www;
    location = /health { access_log off; return 200 "ok\\n"; }
    location /api/missing { return 404 "no such thing\\n"; }
    location /api/ { return 200 "{}\\n"; }
  }
}
"""
NAMED = """\
options { directory "/srv/named"; listen-on { any; }; listen-on-v6 { none; }; pid-file "/run/named/pid";
  recursion yes; allow-query { any; }; dnssec-validation no; empty-zones-enable no;
  managed-keys-directory "/srv/named"; max-ncache-ttl 2;
  session-keyfile "/run/named/key"; servfail-ttl 1; };
controls {};
logging {
  channel queries { file "/var/log/bind_query.log";
    print-time yes; print-category yes; print-severity yes; severity info; };
  channel errors { file "/var/log/named.log";
    print-time yes; print-category yes; print-severity yes; severity debug 1; };
  channel main { file "/var/log/named.log";
    print-time yes; print-category yes; print-severity yes; severity info; };
  category queries { queries; }; category query-errors { errors; }; category default { main; };
};
"""
ZONE = """\
$TTL 8
@ IN SOA ns1 hostmaster 2026112401 3600 600 86400 2
@ IN NS ns1
ns1 IN A 10.20.0.45
www IN A 10.20.0.41
intranet IN A 10.20.0.52
mail IN A 10.20.0.51
"""
PARTNER = "$TTL 4\n@ IN SOA ns hostmaster 1 3600 600 86400 2\n@ IN NS ns\nns IN A 10.20.0.47\nshop IN A 10.20.0.51\n"
SQUID = f"""\
http_port 3128
visible_hostname proxy1
http_access allow all
cache deny all
dns_nameservers {NS1}
dns_timeout 4 seconds
positive_dns_ttl 6 seconds
negative_dns_ttl 2 seconds
access_log stdio:/var/log/squid_access.log squid
cache_log /var/log/squid_cache.log
pid_filename /run/squid.pid
pinger_enable off
coredump_dir /srv
shutdown_lifetime 1 seconds
connect_timeout 3 seconds
"""
FIREWALL = """\
table inet fw {{
  chain input {{
    type filter hook input priority 0; policy accept;
    ct state established,related accept
    iif lo accept
    tcp dport {{ 80 }} accept
    ip protocol tcp limit rate 12/second log prefix "{mark}[UFW BLOCK] " drop
    ip protocol tcp drop
  }}
}}
"""


class Services:
    """What runs on the hosts of the scenario, and ways to wait for it."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.rng = rng
        self.edge = world.add("edge1", EDGE, cpu=0.6, memory=192, disk=32)
        self.api1 = world.add("api1", APP1, cpu=0.4, memory=128, disk=32)
        self.api2 = world.add("api2", APP2, cpu=0.4, memory=128, disk=32)
        self.ns1 = world.add("ns1", NS1, cpu=0.4, memory=192, disk=32)
        self.proxy = world.add("proxy1", PROXY, cpu=0.4, memory=192, disk=32)
        self.ns2 = world.add("ns2", NS2, cpu=0.3, memory=192, disk=16)
        self.link = world.add("link", LINK, cpu=0.5, memory=128, disk=16)
        self.client = world.add("client", CLIENT, cpu=1.5, memory=512, disk=16, extra=STRANGERS)
        world.resolve()
        self.nginx = {host.name: self._start_nginx(host) for host in (self.api1, self.api2)}
        self.ns2.write("/etc/bind/partner.zone", PARTNER)
        self.bind2 = self._start_named(
            self.ns2, 'zone "partner.test" { type master; file "/etc/bind/partner.zone"; };\n'
        )
        self.ns1.write("/etc/bind/corp.zone", ZONE)
        self.bind = self._start_named(
            self.ns1,
            'zone "corp.test" { type master; file "/etc/bind/corp.zone"; };\n'
            f'zone "partner.test" {{ type forward; forward only; forwarders {{ {NS2}; }}; }};\n',
        )
        self._start_edge(world)
        self._start_squid()
        self._start_loads(rng)

    # --- services ---------------------------------------------------------------------------------------------

    def _start_nginx(self, host: Host) -> Unit:
        common.start_syslog(host, common.ISO)
        host.write("/etc/nginx/nginx.conf", NGINX)
        for path in ("index.html", "media/logo.png", "media/app.js"):
            host.write(f"/srv/www/{path}", f"{path} of {host.name}\n" + "x" * 3000)
        unit = Unit(
            host,
            "nginx",
            "A high performance web server and a reverse proxy server",
            ["nginx", "-g", "daemon off;"],
            delay=8,
        )
        unit.start()
        return unit

    def _start_named(self, host: Host, zones: str) -> Unit:
        host.write("/etc/bind/named.conf", NAMED + zones)
        host.sh(
            "mkdir -p /srv/named /run/named; chown bind /srv/named /run/named; "
            "for f in bind_query named; do touch /var/log/$f.log; chown bind /var/log/$f.log; done"
        )
        unit = Unit(
            host,
            "named",
            "BIND Domain Name Server",
            ["named", "-f", "-4", "-n", "1", "-d", "1", "-u", "bind", "-c", "/etc/bind/named.conf"],
            quiet=True,
        )
        unit.start()
        return unit

    def _start_edge(self, world: World) -> None:
        common.start_syslog(
            self.edge,
            common.TRADITIONAL,
            minus=";local0.none",
            extra="local0.*                        /var/log/haproxy.log\n",
        )
        self.edge.write("/etc/haproxy/haproxy.cfg", HAPROXY)
        self.edge.write("/etc/fw.nft", FIREWALL.format(mark=f"{world.name}:edge1 "))
        self.edge.sh("nft -f /etc/fw.nft")
        self.haproxy = Unit(
            self.edge,
            "haproxy",
            "HAProxy Load Balancer",
            ["haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid"],
        )
        self.haproxy.start()

    def _start_squid(self) -> None:
        self.proxy.write("/etc/squid.conf", SQUID)
        self.proxy.sh(
            "for f in squid_access squid_cache; do touch /var/log/$f.log; chown proxy /var/log/$f.log; done; "
            "chown proxy /srv"
        )
        self.squid = Unit(self.proxy, "squid", "Squid Web Proxy", ["squid", "-N", "-f", "/etc/squid.conf"], quiet=True)
        self.squid.start()

    def _start_loads(self, rng: random.Random) -> None:
        def http(**config: object) -> Stats:
            return Stats(
                self.client.python("load_http.py", json.dumps({**config, "seed": rng.randint(1, 10**6)}), stdout=-1)
            )

        self.web = http(
            base=f"http://{EDGE}",
            rate=0.6,
            mix=[
                [40, "GET", "/"],
                [26, "GET", "/api/items/{n}"],
                [8, "POST", "/api/orders"],
                [12, "GET", "/media/logo.png"],
                [10, "GET", "/media/app.js"],
                [2, "GET", "/api/missing/{n}"],
                [2, "GET", "/old/page{n}"],
            ],
        )
        self.surf = http(
            base="http://www.corp.test",
            proxy=f"{PROXY}:3128",
            rate=0.32,
            timeout=8,
            mix=[
                [40, "GET", "/"],
                [20, "GET", "/api/items/{n}"],
                [20, "GET", "/", "http://intranet.corp.test"],
                [25, "GET", "/", "http://shop.partner.test"],
            ],
        )
        self.dns = Stats(
            self.client.python(
                "load_dns.py",
                NS1,
                "0.4",
                str(rng.randint(1, 9999)),
                "www.corp.test",
                "www.corp.test",
                "intranet.corp.test",
                "mail.corp.test",
                "shop.partner.test",
                "shop.partner.test",
                stdout=-1,
            )
        )
        self.front = Stats(self.edge.python("haproxy_probe.py", "/run/haproxy.sock", stdout=-1))

    def calm(self, stats: Stats, errors: str, latency: str, limit: float, timeout: float = 40) -> None:
        """Wait until a load generator saw neither errors nor slow answers for six seconds."""
        good, end = 0, time.monotonic() + timeout
        while good < 6 and time.monotonic() < end:
            now = stats()
            good = good + 1 if not now.get(errors) and now.get(latency, 0) < limit else 0
            time.sleep(1)

    def calm_web(self) -> None:
        self.calm(self.web, "http.client.errors", "http.client.latency", 0.3)

    def calm_dns(self) -> None:
        self.calm(self.dns, "dns.client.errors", "dns.client.latency", 0.5)
        self.calm(self.surf, "http.client.errors", "http.client.latency", 0.5)
