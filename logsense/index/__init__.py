"""Everything that is searched: log lines, templates, metrics, signals, incidents, forecasts."""

from logsense.index.embedded import EmbeddedIndex, EmbeddedOptions

__all__ = ["EmbeddedIndex", "EmbeddedOptions"]
