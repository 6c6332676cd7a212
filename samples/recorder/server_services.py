"""The services of scenario ``server``: nginx before an order API, with sshd, cron and a supervisor."""

from __future__ import annotations

import json
import random

from recorder import common
from recorder.host import Host, World, python
from recorder.supervisor import Unit
from recorder.timeline import Stats

WEB, APP, CLIENT = "10.20.0.11", "10.20.0.12", "10.20.0.100"
STRANGERS = [f"203.0.113.{n}" for n in (7, 24, 61, 88)] + [f"198.51.100.{n}" for n in (14, 99)]

NGINX = """\
user www-data; worker_processes 1; pid /run/nginx.pid; error_log /var/log/nginx_error.log warn;
events { worker_connections 256; }
http {
  access_log /var/log/nginx_access.log combined; default_type text/html; server_tokens off;
  server {
    listen 80; root /srv/www;
    location /api/ { proxy_pass http://10.20.0.12:8080/; proxy_connect_timeout 2s; proxy_read_timeout 4s; }
  }
}
"""
GOOD = {"revision": "r117", "storage": {"bucket": "reports"}}


class Services:
    """What runs on the hosts of the scenario, and ways to talk to it."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.web = world.add("web1", WEB, cpu=0.5, memory=256, disk=64)
        self.app = world.add("app1", APP, cpu=0.5, memory=256, disk=112)
        self.client = world.add("client", CLIENT, cpu=1.5, memory=512, disk=16, extra=STRANGERS)
        world.resolve()
        for host, template in ((self.web, common.TRADITIONAL), (self.app, common.ISO)):
            common.start_syslog(host, template)
            common.start_sshd(host)
            common.start_cron(
                host,
                "* * * * * root /usr/bin/test -d /srv\n"
                "*/2 * * * * www-data /usr/bin/find /srv -maxdepth 1 -name '*.tmp' -mmin +30 -delete\n"
                "*/5 * * * * root cd / && run-parts --report /etc/cron.hourly\n",
            )
        self._start_app()
        self._start_web()
        self.load = self._start_load(
            self.client,
            f"http://{WEB}",
            0.95,
            rng,
            [
                [30, "GET", "/"],
                [8, "GET", "/style.css"],
                [28, "GET", "/api/orders/{n}"],
                [10, "GET", "/api/items?page={n}"],
                [22, "POST", "/api/orders"],
                [2, "GET", "/wp-login.php"],
            ],
        )
        self.inner = self._start_load(
            self.client, f"http://{APP}:8080", 0.3, rng, [[2, "GET", "/orders/{n}"], [1, "GET", "/stock/{n}"]]
        )

    def _start_app(self) -> None:
        self.app.sh(
            "chown www-data /srv; mkdir /srv/export; chown www-data /srv/export; touch /var/log/orders-api.log; "
            "chmod 666 /var/log/orders-api.log"
        )
        self.flags({})
        self.api = Unit(
            self.app,
            "orders-api",
            "Orders API",
            python("orders_api.py", "8080", "/srv", "/var/log/orders-api.log"),
            user="www-data",
            delay=5,
            memory_max=208,
        )
        self.api.start()

    def _start_web(self) -> None:
        self.web.write("/etc/nginx/nginx.conf", NGINX)
        self.web.write("/srv/www/index.html", "<h1>shop</h1>" + "x" * 4000)
        self.web.write("/srv/www/style.css", "body{}" * 300)
        self.web.write("/srv/report-worker.json", json.dumps(GOOD))
        self.nginx = Unit(
            self.web,
            "nginx",
            "A high performance web server and a reverse proxy server",
            ["nginx", "-g", "daemon off;"],
        )
        self.nginx.start()
        self.worker = Unit(self.web, "report-worker", "Report rendering worker", python("report_worker.py"), delay=3)
        self.worker.start()

    def _start_load(self, host: Host, base: str, rate: float, rng: random.Random, mix: list[list[object]]) -> Stats:
        config = {"base": base, "rate": rate, "mix": mix, "seed": rng.randint(1, 10**6)}
        return Stats(host.python("load_http.py", json.dumps(config), stdout=-1))

    def flags(self, values: dict[str, float]) -> None:
        self.app.write("/srv/flags.json", json.dumps(values))

    def healthy(self) -> bool:
        return "200" in self.client.sh(
            f'python3 -c "import urllib.request as u; print(u.urlopen('
            f"'http://{APP}:8080/health', timeout=2).status)\"",
            check=False,
        )
