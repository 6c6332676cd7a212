"""The export that fills a volume: writes FILE at RATE MB/s until told to stop, complaining when it is full."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

path, rate = sys.argv[1], float(sys.argv[2])
print(f"exporting table orders to {path}", flush=True)
CHUNK = int(rate * 64) * 4096
written, size = 0, CHUNK
with Path(path).open("ab", buffering=0) as out:
    while True:
        try:
            before, written = written, written + out.write(os.urandom(size))
            if before // (20 * 2**20) != written // (20 * 2**20):
                print(f"exported {written // 2**20} MB", flush=True)
            time.sleep(0.25 * size / CHUNK)
        except OSError as error:
            if size > 4096:  # a large write fails while small ones still fit: take the rest as well
                size = max(4096, size // 8)
                continue
            print(f"write failed, will retry: {error}", flush=True)
            time.sleep(4)
