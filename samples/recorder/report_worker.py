"""A background worker that needs its configuration; without the key it wants it dies with a traceback."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

config = json.loads(Path("/srv/report-worker.json").read_text())
print(f"report-worker 1.9.0, configuration revision {config['revision']}", flush=True)
time.sleep(0.4)
bucket = config["storage"]["bucket"]
while True:
    print(f"rendered {random.randint(1, 6)} reports into {bucket} in {random.randint(80, 900)} ms", flush=True)
    time.sleep(random.uniform(12, 25))
