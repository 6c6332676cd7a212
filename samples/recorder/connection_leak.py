"""A reporting job that opens database connections and forgets them. Usage: connection_leak.py HOST PER_SECOND"""

from __future__ import annotations

import sys
import time

from clients import DatabaseError, Postgres

kept = []
while True:
    try:
        kept.append(Postgres(sys.argv[1], "postgres", "shop", app="report-job"))
        kept[-1].query("begin; select count(*) from stock")
    except (OSError, DatabaseError):
        time.sleep(2)
    time.sleep(1 / float(sys.argv[2]))
