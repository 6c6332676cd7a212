"""Fixtures that several folders of tests share."""

from tests.elasticsearch_server import elasticsearch_url, own_elasticsearch

__all__ = ["elasticsearch_url", "own_elasticsearch"]
