"""Options of the spool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """How much the spool may hold and how its files are cut."""

    #: Bytes that all segments together may take; a batch that would exceed it is refused (429 to clients).
    max_bytes: int = 2 * 1024**3
    #: Bytes that stay free on the spool's disk: batches are refused before it is full, so that there is room to index
    #: what waits. 0 fills it up.
    keep_free_bytes: int = 64 * 1024**2
    #: Seconds that the oldest unindexed segment may be old before batches are refused; 0 means no limit.
    max_age_s: float = 0.0
    #: A segment file is closed and a new one begun at this size. Space is reclaimed by whole segments.
    segment_bytes: int = 64 * 1024**2
    #: … or at this age, or when nothing was written for this long, so that small amounts are reclaimed too.
    segment_age_s: float = 60.0
    #: Bytes that may wait in memory for the writer thread (a slow disk) before batches are refused.
    max_pending_bytes: int = 256 * 1024**2
    #: Seconds after which a refused client is told to try again.
    retry_after_s: int = 5
    #: Flush to the device before acknowledging. Off only where losing the last seconds on power loss is fine.
    fsync: bool = True
