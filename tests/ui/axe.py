"""axe-core, the accessibility checker: fetched by npm once, its digest checked, and never shipped (MPL-2.0)."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

VERSION = "4.10.3"
SHA512 = "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
REQUIRED = "axe" in os.environ.get("LOGSENSE_TEST_REQUIRE", "")


def source() -> str:
    """The script. Skips the test, saying why, where it cannot be had; fails when it is required."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logsense" / "axe-core"
    archive = base / f"axe-core-{VERSION}.tgz"
    if not archive.exists():
        why = _fetch(archive)
        if why:
            assert not REQUIRED, why
            pytest.skip(why)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert digest == SHA512, f"{archive} is not what was published; delete it"
    with tarfile.open(archive) as opened:
        script = opened.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode("utf-8")


def _fetch(archive: Path) -> str:
    """Put the package into the cache; '' or why that was not possible."""
    npm = shutil.which("npm")
    if npm is None:
        return "accessibility is NOT checked: npm is missing, which fetches axe-core"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"axe-core@{VERSION}", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)
        fetched = Path(folder) / archive.name
        if done.returncode or not fetched.exists():
            return f"accessibility is NOT checked: npm could not fetch axe-core: {done.stderr.strip()[-300:]}"
        partial = archive.with_suffix(f".{os.getpid()}")
        shutil.move(fetched, partial)
        partial.replace(archive)  # at once, for several test processes fetch it
    return ""
