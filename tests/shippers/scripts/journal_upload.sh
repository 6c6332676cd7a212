#!/bin/bash
# systemd-journal-upload with a journal of its own, made by systemd-journal-remote; one message has several lines.
. "$(dirname "$0")/lib.sh"
mkdir -p "$WORK/journal/remote"
"$PYTHON" - "$MARK" "$COUNT" > "$WORK/export" <<'P'
import struct
import sys
import time

mark, count = sys.argv[1], int(sys.argv[2])
now = time.time_ns() // 1000


def entry(n: int, message: bytes, **more: str) -> bytes:
    fields = {"__REALTIME_TIMESTAMP": now + n * 1000, "__MONOTONIC_TIMESTAMP": n + 1, "_BOOT_ID": "0123456789abcdef" * 2,
              "_MACHINE_ID": "fedcba9876543210" * 2, "_HOSTNAME": "web01", "PRIORITY": 3, **more}  # fmt: skip
    rows = b"".join(f"{name}={value}\n".encode() for name, value in fields.items())
    # The export format writes a value with line feeds as its length in eight bytes and then the value itself.
    return rows + b"MESSAGE\n" + struct.pack("<Q", len(message)) + message + b"\n\n"


nginx = {"SYSLOG_IDENTIFIER": "nginx", "_SYSTEMD_UNIT": "nginx.service", "_PID": "100"}
for n in range(count):
    sys.stdout.buffer.write(entry(n, f"upstream timed out {mark} {n}".encode(), **nginx))
failure = f'Traceback (most recent call last):\n  File "shop.py", line 3, in pay\nValueError: {mark}'
sys.stdout.buffer.write(entry(count, failure.encode(), SYSLOG_IDENTIFIER="shop"))
P
/lib/systemd/systemd-journal-remote --output="$WORK/journal/remote.journal" - < "$WORK/export" || exit
/lib/systemd/systemd-journal-upload --url="$BASE" --directory="$WORK/journal" --save-state="$WORK/state" --follow=no
