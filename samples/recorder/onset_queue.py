"""A job queue in Redis whose consumer falls behind, for ``record_onsets.py``.

On hosts that speak ``otel`` the memory of Redis ends it (``maxmemory`` without eviction); on the others the jobs'
deadline does: a job that is older than it is thrown away. Neither has a metric that states the deadline.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from recorder.clients import DatabaseError, Redis
from recorder.common import until
from recorder.onset_faults import SPEEDS, Fault, Onset, Stage
from recorder.onset_host import Rig

MEMORY = 4 * 2**20
JOB_BYTES = 8000


class Queue:
    """Redis, a producer and a consumer."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.bounded = rig.dialect == "otel"
        argv = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy",
                "noeviction", "--logfile", str(rig.logs / "redis.log"), "--dir", str(rig.home)]  # fmt: skip
        rig.spawn([*argv, "--maxmemory", str(MEMORY) if self.bounded else "0"])
        if not until(lambda: Redis("127.0.0.1", port=self.port).call("PING"), 20):
            raise RuntimeError(f"Redis did not start on {rig.name}")
        self.exporter = Redis("127.0.0.1", port=self.port)
        self.rate = rig.rng.uniform(3, 6)
        self.share = 1.6  # what the consumer can do, as a multiple of what comes
        self.deadline = rig.rng.uniform(*SPEEDS)
        self.first_error = self.age = 0.0
        self.done = self.errors = 0
        for task in (self._produce, self._consume):
            threading.Thread(target=task, daemon=True).start()

    def say(self, service: str, level: str, text: str) -> None:
        now = time.time()
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        self.rig.write(service, f"{clock},{int(now % 1 * 1000):03d} {level} [jobs.{service}] {text}")

    def failed(self, service: str, text: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or time.time()
        self.say(service, "ERROR", text)

    def _produce(self) -> None:
        client, rng = Redis("127.0.0.1", port=self.port), self.rig.rng
        while not self.rig.closing.wait(rng.expovariate(self.rate)):
            job = f"{time.time():.3f} ".encode() + b"j" * int(JOB_BYTES * rng.uniform(0.7, 1.3))
            try:
                client.call("RPUSH", "jobs", job)
            except DatabaseError as error:
                self.failed("producer", f"job refused: {error}")
            except OSError:
                return

    def _consume(self) -> None:
        client, rng = Redis("127.0.0.1", port=self.port), self.rig.rng
        while not self.rig.closing.wait(rng.expovariate(max(self.rate * self.share, 0.01))):
            with suppress(OSError, DatabaseError):
                job = client.call("LPOP", "jobs")
                if not isinstance(job, bytes):
                    self.age = 0.0
                    continue
                self.age = time.time() - float(job.split(b" ", 1)[0])
                self.done += 1
                if not self.bounded and self.age > self.deadline:
                    self.failed("worker", f"job thrown away: {self.age:.0f} s old, deadline passed")
                elif rng.random() < 0.15:
                    self.say("worker", "INFO", f"job done in {rng.randint(20, 90)} ms, waited {1000 * self.age:.0f} ms")

    def gauge(self) -> dict[str, float]:
        length = self.exporter.call("LLEN", "jobs")
        info = self.exporter.call("INFO", "memory")
        assert isinstance(length, int) and isinstance(info, bytes)
        facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        if self.rig.dialect == "prometheus":
            return {
                "jobs_queue_length": length,
                "jobs_queue_oldest_age_seconds": round(self.age, 2),
                "redis_memory_used_bytes": float(facts["used_memory"]),
                "jobs_done_total": self.done,
                "jobs_failed_total": self.errors,
            }
        return {
            "messaging.queue.depth": length,
            "messaging.consumer.lag": round(self.age, 2),
            "redis.memory.used": float(facts["used_memory"]),
            "redis.memory.max": float(facts["maxmemory"]),
            "jobs.done": self.done,
            "jobs.failed": self.errors,
        }


def queue_stage(rig: Rig) -> Stage:
    queue = Queue(rig)
    rig.gauges = [queue.gauge, rig.resources]
    rng = rig.rng

    def behind() -> Onset:
        """The consumer slows down to a part of what comes, until a job fails."""
        queue.first_error = 0.0
        seconds = rng.uniform(*SPEEDS)
        growth = 2.4e6 / JOB_BYTES / seconds  # jobs a second that fill most of the memory in that time
        usual = queue.rate
        queue.rate = max(usual, 1.25 * growth)
        queue.share = 1 - growth / queue.rate if queue.bounded else rng.uniform(0.1, 0.4)
        seen = until(lambda: queue.first_error, 900, 0.1)
        rig.closing.wait(rng.uniform(8, 15))
        queue.rate, queue.share = usual, 15.0
        until(lambda: queue.exporter.call("LLEN", "jobs") == 0, 60)
        queue.share = 1.6
        if not seen:
            raise RuntimeError(f"queue on {rig.name}: no failure was seen")
        return Onset(queue.first_error, "the consumer fell behind until jobs were refused or missed their deadline")

    def hiccup() -> None:
        """A pause of the consumer that it makes up for."""
        queue.share = 0.2
        rig.closing.wait(rng.uniform(5, 20))
        queue.share = 4.0
        rig.closing.wait(20)
        queue.share = 1.6

    return Stage(rig, [Fault("queue_lag", "jobs", behind)], [("the consumer pauses and catches up", hiccup)])
