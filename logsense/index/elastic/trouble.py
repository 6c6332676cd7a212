"""What a refusal of Elasticsearch means: bad content, or a state that passes, and what people can do about it. Pure.

Only content goes to the dead letters. What is the cluster's state (busy, blocked, full, at its limit of shards) comes
with the same status codes, some of it even as 400, and is waited for: a line that was accepted is not buried because a
disk was full. An index that somebody closed is the exception: it will not open by itself, and one late line for it must
not hold up all others.
"""

from __future__ import annotations

import re

from logsense.errors import IndexUnavailable

#: Answers that will be different later: too busy, not ready, disk full (429 or 403 block), proxy without a node; and
#: keys without rights (401, 403), which people mend while lines wait.
TRANSIENT = (401, 403, 408, 429, 502, 503, 504)
_CONTENT = (400, 413, 422)
#: Errors that come as 400 although no document is at fault.
_STATES = (
    "validation_exception",  # "this action would add [1] shards, but this cluster currently has … maximum"
    "cluster_block_exception",
    "unavailable_shards_exception",
    "process_cluster_event_timeout_exception",
)

_CALM = "accepted lines wait in the spool and nothing is lost"
_BUSY = (
    "Elasticsearch is too busy to take writes",
    "nothing at first, it is asked again more slowly; if this lasts, give its nodes more memory or add one",
)
_WHO = (
    "Elasticsearch refuses our credentials",
    "check api_key, or user and password, in [elasticsearch] or the environment; a key may have expired",
)
_RIGHTS = (
    "Elasticsearch knows our key or user, which lacks a right",
    "give it the cluster privilege manage_index_templates and, for our indices, read, write and manage",
)
_NOT_READY = (
    "Elasticsearch is not ready",
    "look at GET _cluster/health: a node or a primary shard is missing, or it is just starting",
)
#: (words in the error, (what happened, what to do)); the first that fits.
_MEANINGS: tuple[tuple[tuple[str, ...], tuple[str, str]], ...] = (
    (
        ("read-only-allow-delete", "read_only_allow_delete", "flood-stage", "flood stage"),
        (
            "Elasticsearch takes no writes: its disk is nearly full",
            "make room on its nodes (delete old indices, set retention_days in [elasticsearch]) or add one; the block "
            "goes away by itself then, or by setting index.blocks.read_only_allow_delete to null",
        ),
    ),
    (
        ("maximum normal shards", "maximum shards", "maximum frozen shards"),
        (
            "Elasticsearch may open no more indices: its limit of shards is reached",
            "set retention_days in [elasticsearch], raise cluster.max_shards_per_node, or add a node",
        ),
    ),
    (("service_unavailable", "no master"), _NOT_READY),
    (
        ("cluster_block_exception",),
        (
            "Elasticsearch blocks writes to an index",
            "take the block away: index.blocks.* in the settings of the index, or cluster.blocks.* of the cluster",
        ),
    ),
    (("rejected_execution", "circuit_breaking"), _BUSY),
    (
        ("index_not_found",),
        ("Elasticsearch does not create an index that is missing", "allow our indices in action.auto_create_index"),
    ),
)
_BY_STATUS = {401: _WHO, 403: _RIGHTS, 429: _BUSY, 502: _NOT_READY, 503: _NOT_READY, 504: _NOT_READY}
_OTHER = ("Elasticsearch is not able to answer", "look at its log and at GET _cluster/health")

_ADDRESS = "start it, or mend urls in [elasticsearch]"
#: The same for words of the network library, when there was no answer at all.
_SILENCES: tuple[tuple[tuple[str, ...], tuple[str, str]], ...] = (
    (
        ("fingerprint",),
        (
            "Elasticsearch shows another certificate than the one whose fingerprint we know",
            "if its certificate was renewed, put the new fingerprint into [elasticsearch]; else find out who it is",
        ),
    ),
    (
        ("certificate_verify_failed", "certificate verify failed"),
        (
            "We do not trust the certificate that Elasticsearch shows",
            "name its authority (ca_file) or its fingerprint in [elasticsearch], and use the name that it was made for",
        ),
    ),
    (
        ("wrong_version_number", "wrong version number", "record layer failure"),
        ("Elasticsearch does not speak TLS there", "write http:// instead of https:// in urls of [elasticsearch]"),
    ),
    (
        ("timed out", "timeout"),
        (
            "Elasticsearch does not answer in time",
            "see whether it is overloaded or cut off; if it is only slow, raise timeout_s and read_timeout_s",
        ),
    ),
    (
        ("name or service not known", "name resolution", "failed to resolve", "nodename nor servname"),
        ("The host of Elasticsearch has no address", "mend its name in urls of [elasticsearch], or the name service"),
    ),
    (("connection refused",), ("Nothing listens at the address of Elasticsearch", _ADDRESS)),
    (
        ("aborted", "reset by peer", "closed connection", "disconnected"),
        (
            "Elasticsearch ends the connection without an answer",
            "look at its log; if it wants TLS, write https:// in urls of [elasticsearch]",
        ),
    ),
)
_SILENT = ("Elasticsearch cannot be reached", _ADDRESS)


def is_content(status: int, kind: str) -> bool:
    """Whether a document (or a request) is refused for what it holds, and always will be."""
    return status in _CONTENT and kind not in _STATES


def unable(status: int, kind: str, reason: str, *, where: str, retry_after_s: float = 0.0) -> IndexUnavailable:
    """The error for a state that passes. ``kind`` and ``reason`` as Elasticsearch says them."""
    said = f"{kind} {reason}".strip()
    found = (meaning for signs, meaning in _MEANINGS if any(sign in said.lower() for sign in signs))
    what, fix = next(found, _BY_STATUS.get(status, _OTHER))
    why = f"{status} {said}".strip()[:400]
    return IndexUnavailable(what, why=why, where=where, fix=f"{fix}; {_CALM}", retry_after_s=retry_after_s)


def silent(said: str, *, where: str) -> IndexUnavailable:
    """The error for no answer at all. ``said``: the words of the network library."""
    found = (meaning for signs, meaning in _SILENCES if any(sign in said.lower() for sign in signs))
    what, fix = next(found, _SILENT)
    return IndexUnavailable(what, why=_core(said)[:300], where=where, fix=f"{fix}; {_CALM}")


def foreign(status: str, *, where: str) -> IndexUnavailable:
    """The error for an answer that no Elasticsearch gives."""
    return IndexUnavailable(
        "Something other than Elasticsearch answers at its address",
        why=f"an answer {status} without the mark of Elasticsearch",
        where=where,
        fix=f"mend urls in [elasticsearch]: they must name an Elasticsearch 8 or 9, or a proxy to one; {_CALM}",
    )


def _core(said: str) -> str:
    """What the system said, out of the exceptions that are wrapped around it."""
    inner = re.search(r"\[(?:Errno|SSL)[^()]*(?:\([^()]*\)[^()]*)?", said)
    return inner[0].strip() if inner else said
