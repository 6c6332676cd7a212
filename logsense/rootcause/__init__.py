"""Rank the possible causes of an incident and say why, with the evidence cited."""

from __future__ import annotations

from logsense.rootcause.chinese import in_chinese, translate
from logsense.rootcause.evidence import Evidence, SeriesExcerpt, TemplateCount
from logsense.rootcause.gather import gather, gather_incident, gather_requests
from logsense.rootcause.hypotheses import rank
from logsense.rootcause.options import RootcauseOptions
from logsense.rootcause.patterns import known_patterns, load_patterns
from logsense.rootcause.reading import RequestLines
from logsense.rootcause.render import FORMS, render
from logsense.rootcause.summary import as_text, is_clear, just_before, summarise, title
from logsense.rootcause.uncollected import uncollected

__all__ = [
    "FORMS",
    "Evidence",
    "RequestLines",
    "RootcauseOptions",
    "SeriesExcerpt",
    "TemplateCount",
    "as_text",
    "gather",
    "gather_incident",
    "gather_requests",
    "in_chinese",
    "is_clear",
    "just_before",
    "known_patterns",
    "load_patterns",
    "rank",
    "render",
    "summarise",
    "title",
    "translate",
    "uncollected",
]
