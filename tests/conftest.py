"""For all tests: how property tests run, and fixtures that several folders share."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.elasticsearch_server import elasticsearch_url, own_elasticsearch, secure_elasticsearch

__all__ = ["elasticsearch_url", "own_elasticsearch", "secure_elasticsearch"]

# Test machines are busy: the time that one example takes says nothing. The same examples on every run, so that
# a change is judged by what it changed; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("logsense", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "logsense"))
