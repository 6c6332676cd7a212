"""Keywords, entities and embeddings, computed once per template version."""

from logsense.enrich.embeddings import EmbedderOptions, SentenceEmbedder
from logsense.enrich.enricher import Enricher, EnricherOptions
from logsense.enrich.keywords import KeywordExtractor, KeywordOptions, Keywords
from logsense.enrich.questions import question_embedder
from logsense.enrich.text import describe

__all__ = [
    "EmbedderOptions",
    "Enricher",
    "EnricherOptions",
    "KeywordExtractor",
    "KeywordOptions",
    "Keywords",
    "SentenceEmbedder",
    "describe",
    "question_embedder",
]
