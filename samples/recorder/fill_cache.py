"""A report job that caches its results without expiry. Usage: fill_cache.py HOST KEYS_PER_SECOND BYTES"""

from __future__ import annotations

import sys
import time

from clients import DatabaseError, Redis

db, number = Redis(sys.argv[1]), 0
while True:
    try:
        for _ in range(int(sys.argv[2]) // 4):
            db.call("SET", f"report:{number}", "r" * int(sys.argv[3]))
            number += 1
    except DatabaseError:
        time.sleep(1)
    time.sleep(0.25)
