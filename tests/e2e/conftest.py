"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from tests.e2e.places import module_place, place

__all__ = ["module_place", "place"]
