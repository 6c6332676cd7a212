"""Turn signals into incidents: grouping, life cycle, recurrence, learnt dependencies between hosts."""

from __future__ import annotations

from logsense.incidents.decisions import Decision, Decisions
from logsense.incidents.dependencies import Dependencies
from logsense.incidents.estates import Estates
from logsense.incidents.experience import experience
from logsense.incidents.grouping import Incidents
from logsense.incidents.lifecycle import VERDICTS, effective, noise, resemblance, similar
from logsense.incidents.meaning import Meaning
from logsense.incidents.options import IncidentOptions
from logsense.incidents.scoring import Fault, Report, Score, score
from logsense.incidents.silences import SilenceOptions, Silences

__all__ = [
    "VERDICTS",
    "Decision",
    "Decisions",
    "Dependencies",
    "Estates",
    "Fault",
    "IncidentOptions",
    "Incidents",
    "Meaning",
    "Report",
    "Score",
    "SilenceOptions",
    "Silences",
    "effective",
    "experience",
    "noise",
    "resemblance",
    "score",
    "similar",
]
