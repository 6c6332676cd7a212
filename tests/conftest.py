"""For all tests."""

from __future__ import annotations

from hypothesis import settings

# Test machines are busy: the time that one example takes says nothing.
settings.register_profile("logsense", deadline=None)
settings.load_profile("logsense")
