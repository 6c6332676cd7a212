"""Plain-language search: a question becomes a ``Query``, the query becomes ranked lines and templates."""

from logsense.search.fusion import fuse
from logsense.search.lucene import lucene
from logsense.search.rank import SearchAnswer, Searcher
from logsense.search.understand import understand
from logsense.search.understood import Catalog, Chip, Moment, Understood

__all__ = ["Catalog", "Chip", "Moment", "SearchAnswer", "Searcher", "Understood", "fuse", "lucene", "understand"]
