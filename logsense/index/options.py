"""Settings of the embedded index."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EmbeddedOptions:
    #: Where everything that is searched lives: ``embedded`` (in the data folder) or ``elasticsearch`` (then
    #: ``[elasticsearch]`` says where, and the keys below have no effect).
    type: str = "embedded"
    #: Day shards that are open for writing at once. The least recently written is closed first, so lines of
    #: 1970 and 2099 among today's cost time, not memory.
    open_writers: int = 4
    #: Memory for lines not yet written out, per open writer, in MiB (tantivy wants at least 15).
    writer_memory_mb: int = 32
    #: Characters of one message that become searchable words.
    indexed_chars: int = 32_768
    #: Characters of one message that are kept; a longer one is cut and marked ``logsense.truncated``.
    stored_chars: int = 1_000_000
    #: Seconds to wait for another process's write to the state database before giving up.
    busy_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.type not in ("embedded", "elasticsearch"):
            raise ValueError(f'type is "embedded" or "elasticsearch", not {self.type!r}')
