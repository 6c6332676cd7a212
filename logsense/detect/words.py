"""How worrying a message sounds: its stated level, or its words where it states none.

Many sources state no level (access logs, kernel, PAM) or state "info" for failures ("Failed password").
"""

from __future__ import annotations

import re

from logsense.record import LEVEL_RANK

NEUTRAL, WARNING, ERROR, FATAL = range(4)

_FATAL = re.compile(
    r"\b(panic|emerg(ency)?|out of memory|oom[- ]?kill(er|ed)?|killed process|segfault|segmentation fault|"
    r"core dumped|no space left|read-only file ?system|i/o error|corrupt(ed|ion)?|bug:|call trace|machine check|"
    r"crash(ed|loop\w*)?|aborting|data loss|split[- ]brain|terminated by signal|disk full)\b",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"\b(errors?|exception|traceback|fail(ed|ure|s|ing)?|refused|denied|unreachable|timed? ?out|timeout|cannot|"
    r"can't|could not|couldn't|unable to|deadlock|exhausted|too many|rejected|unavailable|invalid|illegal|"
    r"not responding|overload(ed)?|violat(es|ion|ed)|expired|unexpected|aborted|reset by peer|broken pipe|"
    r"servfail|no server is available|no live upstreams|is down|went down|has no server|out of range|"
    r"exit(ed)? with (code|status)|main process exited|scheduled restart job|entered failed state)\b",
    re.IGNORECASE,
)
_WARNING = re.compile(
    r"\b(warn(ing)?|slow|retry(ing)?|retries|degraded|deprecated|throttl(ed|ing)|dropp(ed|ing)|lost|missing|"
    r"exceed(s|ed|ing)?|late|limit|full|suspended|delayed|lag(ging)?|waiting for|interrupted|possible syn flooding|"
    r"not found|evict(ed|ing)?|skipp(ed|ing)|stale|unhealthy|killed|stopping|restart(ed|ing)?)\b",
    re.IGNORECASE,
)
# "0 errors", "errors=0", "no errors", "failed: 0", "without error": the word is there, the trouble is not
_DENIED = re.compile(
    r"\b(no|zero|0|without( any)?) (errors?|failures?|exceptions?|warnings?)\b|"
    r"\b(errors?|fail(ed|ures?)|dropped|lost|timeouts?|retries|rejected|warnings?)[\"']?\s*[=:]\s*(0|none|null|false|\[\])",
    re.IGNORECASE,
)


def words_concern(text: str) -> int:
    """NEUTRAL … FATAL from the words alone."""
    text = _DENIED.sub(" ", text)
    if _FATAL.search(text):
        return FATAL
    if _ERROR.search(text):
        return ERROR
    return WARNING if _WARNING.search(text) else NEUTRAL


def concern(rank: int, text: str) -> int:
    """From the level's rank (-1: none stated) and the words.

    A stated level of warning or worse is believed; below it, words can lift a message to WARNING only, since
    the writer called it normal - save for a process that dies, which loggers report at any level.
    """
    said = words_concern(text)
    if rank >= LEVEL_RANK["alert"]:
        return FATAL
    if rank >= LEVEL_RANK["error"]:  # "FATAL" of a database ends one session, not the database: the words decide
        return FATAL if said == FATAL else ERROR
    if rank == LEVEL_RANK["warning"]:
        return FATAL if said == FATAL else WARNING
    if rank < 0:
        return said
    if rank <= LEVEL_RANK["debug"]:
        return NEUTRAL
    return {NEUTRAL: NEUTRAL, WARNING: NEUTRAL, ERROR: WARNING, FATAL: ERROR}[said]
