"""What ``logsense.collector`` asks of the allocator is what it does."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from logsense.collector import few_arenas
if sys.argv[1] == "few":
    few_arenas()
libc, done, barrier = ctypes.CDLL(None), threading.Event(), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
def allocate():
    libc.malloc(100_000)
    barrier.wait()
    done.wait()
threads = [threading.Thread(target=allocate, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
barrier.wait()
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
done.set()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_share_the_arenas() -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}

    def arenas(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True, env=own)
        return done.stdout.count("<heap nr=")

    assert arenas("few") == 2
    assert arenas("own") > 2
