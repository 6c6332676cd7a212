"""Plain-language search: a question becomes a ``Query``, the query becomes ranked lines and templates."""

from logsense.search.rank import SearchAnswer, Searcher
from logsense.search.understand import understand
from logsense.search.understood import Catalog, Chip, Understood

__all__ = ["Catalog", "Chip", "SearchAnswer", "Searcher", "Understood", "understand"]
