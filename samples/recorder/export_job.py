"""The export that fills a volume: writes FILE at RATE MB/s until told to stop, complaining when it is full."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

path, rate = sys.argv[1], float(sys.argv[2])
print(f"exporting table orders to {path}", flush=True)
written = 0
with Path(path).open("ab", buffering=0) as out:
    while True:
        try:
            out.write(os.urandom(4096) * int(rate * 64))
            before, written = written, written + int(rate * 64) * 4096
            if before // (20 * 2**20) != written // (20 * 2**20):
                print(f"exported {written // 2**20} MB", flush=True)
            time.sleep(0.25)
        except OSError as error:
            print(f"write failed, will retry: {error}", flush=True)
            time.sleep(4)
