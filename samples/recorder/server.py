"""Scenario ``server``: what goes wrong with a web server and an application server."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

from recorder import common
from recorder.host import Host, World, python, run, stop
from recorder.server_services import APP, CLIENT, GOOD, STRANGERS, WEB, Services
from recorder.supervisor import Unit
from recorder.timeline import Fault, Mark, Scenario, Tail

FAULTS = ("disk-full", "memory-leak", "cpu-hog", "ssh-brute-force", "crash-loop")
# accounts that password guessers try
NAMES = [
    "admin",
    "test",
    "oracle",
    "postgres",
    "ubuntu",
    "guest",
    "git",
    "ftpuser",
    "user",
    "pi",
    "support",
    "hadoop",
    "jenkins",
    "nagios",
    "minecraft",
    "dev",
    "steam",
    "www1",
    "mysqladm",
    "tomcat",
    "backup1",
    "zabbix",
    "ec2",
    "debian",
    "student",
]


class Server(Services):
    """The faults that are done to the services, and the benign events between them."""

    # --- faults -----------------------------------------------------------------------------------------------

    def disk_full(self, mark: Mark) -> None:
        speed = round(mark.rng.uniform(1.5, 2.4), 2)
        tail = Tail(self.app.logs / "orders-api.log")
        job = Unit(
            self.app,
            "orders-export",
            "Nightly export of orders",
            python("export_job.py", "/srv/export/orders.csv", str(speed)),
            user="www-data",
        )
        job.start()
        try:
            if tail.wait("No space left on device", 150):
                mark.seen()
            time.sleep(mark.rng.uniform(30, 45))
        finally:
            job.stop()
            self.app.sh("rm -f /srv/export/orders.csv")
        Tail(self.app.logs / "orders-api.log").wait("order accepted", 30)
        mark.facts.update(speed=speed)

    def memory_leak(self, mark: Mark) -> None:
        speed = round(mark.rng.uniform(2.3, 3.6), 2)
        tail, app_tail = Tail(self.app.logs / "syslog.log"), Tail(self.app.logs / "orders-api.log")
        self.flags({"leak_mb_per_s": speed})
        try:
            if tail.wait("Killed process", 180):
                mark.seen()
        finally:
            self.flags({})
        app_tail.wait("listening on", 40)
        common.until(self.healthy, 30)
        time.sleep(4)
        mark.facts.update(speed=speed)

    def cpu_hog(self, mark: Mark) -> None:
        hogs = mark.rng.randint(8, 10)
        tail = Tail(self.app.logs / "orders-api.log")
        self.app.syslog("backup[2177]", f"compressing archive of /srv with {hogs} workers")
        procs = [self.app.spawn(["sh", "-c", "exec gzip -9 < /dev/zero > /dev/null"]) for _ in range(hogs)]
        try:
            if tail.wait("slow request", 40):
                mark.seen()
            time.sleep(mark.rng.uniform(50, 85))
        finally:
            for proc in procs:
                stop(proc)
        self.app.syslog("backup[2177]", "compressing archive of /srv done")
        time.sleep(3)
        mark.facts.update(hogs=hogs)

    def brute_force(self, mark: Mark) -> None:
        seconds, count = mark.rng.uniform(60, 105), mark.rng.randint(3, 5)
        sources = mark.rng.sample(STRANGERS, count)
        tail, end, tried = Tail(self.web.logs / "auth.log"), time.monotonic() + seconds, [0] * 5

        def attack(number: int, rng: random.Random) -> None:
            while time.monotonic() < end:
                user = "root" if rng.random() < 0.35 else rng.choice(NAMES)
                common.ssh_login(self.client, WEB, user, f"pw{rng.randint(1, 999)}", rng.choice(sources))
                tried[number] += 1

        crew = [threading.Thread(target=attack, args=(n, random.Random(mark.rng.random()))) for n in range(5)]
        for one in crew:
            one.start()
        if tail.wait("Failed password", 20):
            mark.seen()
        for one in crew:
            one.join()
        time.sleep(2)
        mark.facts.update(attempts=sum(tried), sources=", ".join(sources))

    def crash_loop(self, mark: Mark) -> None:
        self.worker.delay = round(mark.rng.uniform(2.0, 4.0), 1)
        tail, began = Tail(self.web.logs / "syslog.log"), self.worker.restarts
        self.web.write("/srv/report-worker.json", json.dumps({"revision": "r118"}))
        self.web.syslog("deploy[3120]", "report-worker configuration revision r118 installed")
        self.worker.restart()
        try:
            if tail.wait("Failed with result 'exit-code'", 20):
                mark.seen()
            time.sleep(mark.rng.uniform(55, 100))
        finally:
            self.web.write("/srv/report-worker.json", json.dumps({**GOOD, "revision": "r119"}))
            self.web.syslog("deploy[3164]", "report-worker configuration revision r119 installed")
        Tail(self.web.logs / "syslog.log").wait(r"report-worker\[\d+\]: rendered", 20)
        time.sleep(2)
        mark.facts.update(restarts=self.worker.restarts - began)

    # --- benign events ----------------------------------------------------------------------------------------

    def typo(self, target: str) -> None:
        common.ssh_login(self.client, target, "deploy", "corect-horse", CLIENT)
        self.login(target)

    def login(self, target: str) -> None:
        common.ssh_login(self.client, target, "deploy", "correct-horse", CLIENT)

    def backup(self) -> None:
        self.app.syslog("backup[1904]", "nightly backup of /srv started")
        self.app.sh(
            "cat /srv/journal.dat 2>/dev/null | nice gzip -6 > /srv/backup.tmp2; sleep 2; rm -f /srv/backup.tmp2"
        )
        self.app.syslog("backup[1904]", "nightly backup of /srv finished, 1 archive kept")

    def deploy(self) -> None:
        self.web.syslog("deploy[2811]", "report-worker configuration revision r117 installed")
        self.worker.restart()

    def crawl(self) -> None:
        for path in ("robots.txt", "favicon.ico", "old/index.php", "sitemap.xml", "feed"):
            with_error = f"python3 -c \"import urllib.request as u; u.urlopen('http://{WEB}/{path}', timeout=3)\""
            self.client.sh(with_error, check=False)

    def rotate(self, host: Host) -> None:
        host.sh("kill -HUP $(cat /run/rsyslogd.pid)")


def versions() -> dict[str, str]:
    shown = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "nginx-light", "rsyslog", "openssh-server", "cron")
    return dict(line.split() for line in shown.stdout.splitlines()) | {
        "kernel": Path("/proc/version").read_text().split()[2]
    }


def build(world: World, rng: random.Random) -> Scenario:
    """Start everything; the faults are run by the timeline."""
    s = Server(world, rng)
    if not common.until(s.healthy, 20):
        raise RuntimeError("the orders API does not answer")
    faults = [
        Fault(
            "disk-full",
            "disk_full",
            "app1",
            "orders-api",
            ["web1/nginx"],
            s.disk_full,
            "An export job wrote to the volume of orders-api at {speed} MB/s until full; later the file was deleted.",
            "system.disk.utilization climbs to 1; orders-api and orders-export log 'No space left on device'; "
            "nginx answers POST /api/orders with 500",
        ),
        Fault(
            "memory-leak",
            "out_of_memory",
            "app1",
            "orders-api",
            ["web1/nginx"],
            s.memory_leak,
            "The price cache of orders-api stopped evicting and grew by {speed} MB/s until the kernel killed it.",
            "system.memory.utilization climbs; kernel 'invoked oom-killer', 'Killed process'; systemd 'status=9/KILL', "
            "'oom-kill'; nginx 502 'Connection refused' until the restart",
        ),
        Fault(
            "cpu-hog",
            "cpu_starvation",
            "app1",
            "orders-api",
            ["web1/nginx"],
            s.cpu_hog,
            "{hogs} gzip processes ran inside the host's CPU quota of half a core.",
            "system.cpu.throttled near 1, system.load up; orders-api logs 'slow request'; http.client.latency up",
        ),
        Fault(
            "ssh-brute-force",
            "brute_force",
            "web1",
            "sshd",
            [],
            s.brute_force,
            "{attempts} real password logins for root and made-up users from {sources}.",
            "auth.log: 'Invalid user', 'Failed password', pam_unix 'authentication failure', 'Connection closed'",
        ),
        Fault(
            "crash-loop",
            "crash_loop",
            "web1",
            "report-worker",
            [],
            s.crash_loop,
            "A configuration without the storage section was installed; the worker died at start, {restarts} restarts.",
            "syslog: KeyError tracebacks, 'Main process exited, code=exited, status=1/FAILURE', "
            "'Scheduled restart job'",
        ),
    ]
    benign = [
        ("failed login, then right", lambda: s.typo(WEB)),
        ("failed login, then right", lambda: s.typo(APP)),
        ("login", lambda: s.login(WEB)),
        ("login", lambda: s.login(APP)),
        ("nightly backup", s.backup),
        ("nginx reload", lambda: s.web.sh("nginx -s reload")),
        ("worker restart", s.deploy),
        ("planned restart of orders-api", s.api.restart),
        ("crawler", s.crawl),
        ("log rotation", lambda: s.rotate(s.web)),
        ("log rotation", lambda: s.rotate(s.app)),
    ]
    gauge = ["http.client.requests", "http.client.errors", "http.client.latency"]
    return Scenario(
        "server",
        world,
        {"web1": ["nginx", "sshd", "cron", "report-worker"], "app1": ["orders-api", "sshd", "cron"]},
        faults,
        benign,
        {"web1": [s.load], "app1": [s.inner]},
        {"web1": gauge, "app1": gauge},
        versions(),
    )
