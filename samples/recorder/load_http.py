"""HTTP load generator that runs inside a client host; prints one JSON line of its own measurements a second.

Usage: load_http.py '{"base": "http://…", "rate": 1.5, "mix": [[weight, "GET", "/path/{n}"], …], "proxy": "host:port"}'
Arrivals are random (Poisson) around a rate that swells and ebbs, so that "normal" is not a flat line.
"""

from __future__ import annotations

import http.client
import json
import math
import queue
import random
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

CONFIG = json.loads(sys.argv[1])
rng = random.Random(CONFIG.get("seed", 1))
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "shop-android/5.2", "curl/7.88.1"]
done: list[tuple[float, bool]] = []
lock = threading.Lock()
jobs: queue.Queue[tuple[str, str, str]] = queue.Queue(200)


def fetch(base: str, method: str, path: str) -> bool:
    """One request on a new connection; True when it was answered below 500."""
    target = urlsplit(base)
    if proxy := CONFIG.get("proxy"):
        conn = http.client.HTTPConnection(proxy, timeout=CONFIG.get("timeout", 4))
        path = base + path
    else:
        conn = http.client.HTTPConnection(
            target.hostname or "",
            target.port,
            timeout=CONFIG.get("timeout", 4),
            source_address=(random.choice(CONFIG["sources"]), 0) if CONFIG.get("sources") else None,
        )
    try:
        body = "x" * random.randint(80, 900) if method == "POST" else None
        conn.request(method, path, body, {"User-Agent": random.choice(AGENTS), "Host": target.netloc})
        answer = conn.getresponse()
        answer.read()
        return answer.status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        conn.close()


def worker() -> None:
    while True:
        job = jobs.get()
        began = time.monotonic()
        ok = fetch(*job)
        with lock:
            done.append((time.monotonic() - began, ok))


def report() -> None:
    while True:
        time.sleep(1)
        with lock:
            batch, done[:] = list(done), []
        out: dict[str, float] = {
            "http.client.requests": len(batch),
            "http.client.errors": sum(not ok for _, ok in batch),
        }
        if batch:
            out["http.client.latency"] = round(max(t for t, _ in batch), 4)
        print(json.dumps(out), flush=True)


def main() -> None:
    for _ in range(CONFIG.get("workers", 12)):
        threading.Thread(target=worker, daemon=True).start()
    threading.Thread(target=report, daemon=True).start()
    weights = [m[0] for m in CONFIG["mix"]]
    phase = rng.uniform(0, 6)
    while True:
        swell = 1 + 0.3 * math.sin(phase + time.monotonic() / 90) + 0.15 * math.sin(time.monotonic() / 23)
        time.sleep(rng.expovariate(CONFIG["rate"] * swell))
        _, method, path, *base = rng.choices(CONFIG["mix"], weights)[0]
        job = (base[0] if base else CONFIG["base"], method, path.replace("{n}", str(rng.randint(1, 999))))
        with suppress(queue.Full):
            jobs.put_nowait(job)


main()
