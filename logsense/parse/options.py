"""The settings of parsing and redaction. ``config.py`` composes them from TOML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """How lines become records."""

    #: Time zone of time stamps that name none: a name of the tz database or an offset such as ``+02:00``.
    timezone: str = "UTC"
    #: Formats that a pipeline may contain; empty means all. Narrowing it makes detection quicker and surer.
    formats: tuple[str, ...] = ()
    #: A folder with format files of one's own, which win over built-in ones of the same name.
    formats_dir: str = ""
    #: The service of lines that name none and whose format has no default.
    service: str = ""
    #: Lines by which the formats of a source are found before they stick.
    detect_lines: int = 20
    #: Look again after this many lines without a fitting format among the last ``redetect_window``.
    redetect_unparsed: int = 20
    #: The window, in lines, over which unfitting lines are counted.
    redetect_window: int = 100
    #: Most lines that are joined to one record; the rest starts a new one.
    max_joined_lines: int = 1000
    #: Most bytes (characters) that are joined to one record.
    max_joined_bytes: int = 262_144
    #: Characters of a line that patterns look at; what follows is kept in the message unseen by them.
    max_match_chars: int = 8192
    #: Longest message of a record; what follows is only in ``event.original``.
    max_message_chars: int = 65_536
    #: Seconds after which ``flush(now)`` gives up waiting for further lines of a record.
    join_wait_s: float = 1.0
    #: Lines older than this on arrival count as late, in seconds.
    late_after_s: float = 3600.0
    #: Lines dated further ahead than this count as future, in seconds.
    future_after_s: float = 86_400.0
    #: Streams (source × host × file × container) whose state is kept; the least recently used one goes first.
    max_streams: int = 10_000


@dataclass(frozen=True, slots=True)
class RedactOptions:
    """What is removed before anything is stored."""

    #: Rules to apply, by name; empty means all that are on by default.
    rules: tuple[str, ...] = ()
    #: Also remove e-mail addresses.
    emails: bool = False
    #: A file with rules of one's own, in the form of ``redact.toml``; they come after the built-in ones.
    rules_file: str = ""
    #: What stands in place of a secret; ``{rule}`` is the name of the rule.
    replacement: str = "[redacted:{rule}]"
