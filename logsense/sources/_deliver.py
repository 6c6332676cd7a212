"""Handing over to the intake when the sender can wait."""

from __future__ import annotations

from logsense.deliver import accept_patiently

__all__ = ["accept_patiently"]
