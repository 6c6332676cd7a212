"""Listening beyond loopback needs keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsense.config import Settings
from logsense.errors import BadConfig
from logsense.server import serve


def test_serve_refuses_to_listen_openly_without_keys(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="without authentication") as refusal:
        serve(tmp_path / "data", Settings({"server": {"host": "0.0.0.0", "port": 0}}))
    assert "logsense keys add" in refusal.value.fix
    assert not (tmp_path / "data").exists()
