"""Errors that people see. Each says what happened, why, where, and what to do about it."""

from __future__ import annotations


class LogsenseError(Exception):
    """Base of all expected errors: shown without a traceback, as problem details by the API."""

    status = 500
    slug = "error"

    def __init__(self, what: str, *, why: str = "", where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.where, self.fix = what, why, where, fix

    def __str__(self) -> str:
        parts = [self.what]
        if self.why:
            parts.append(f"  why:   {self.why}")
        if self.where:
            parts.append(f"  where: {self.where}")
        if self.fix:
            parts.append(f"  fix:   {self.fix}")
        return "\n".join(parts)


class BadConfig(LogsenseError):
    """A settings or pipeline file that cannot be used."""

    status, slug = 500, "bad-config"


class BadFormat(BadConfig):
    """A format file whose pattern or samples do not hold."""

    slug = "bad-format"


class BadInput(LogsenseError):
    """A file or request that cannot be read at all."""

    status, slug = 400, "bad-input"


class NotFound(LogsenseError):
    status, slug = 404, "not-found"


class TooLarge(LogsenseError):
    status, slug = 413, "too-large"


class Overloaded(LogsenseError):
    """The spool is at its limit: nothing of the request was kept."""

    status, slug = 429, "overloaded"

    def __init__(self, what: str, *, retry_after_s: int = 5, why: str = "", where: str = "", fix: str = "") -> None:
        super().__init__(what, why=why, where=where, fix=fix)
        self.retry_after_s = retry_after_s


class BadModel(LogsenseError):
    """A model that is missing, was changed on disk, or was made by other library versions."""

    status, slug = 500, "bad-model"


class IndexUnavailable(LogsenseError):
    """The index does not answer, or takes no writes now. Nothing accepted is lost: it waits in the spool."""

    status, slug = 503, "index-unavailable"

    def __init__(self, what: str, *, why: str = "", where: str = "", fix: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(what, why=why, where=where, fix=fix)
        self.retry_after_s = retry_after_s  # at least; what the server asked for, 0 where it did not


class Busy(LogsenseError):
    """Another process owns what this one needs (the data folder's writer lock)."""

    status, slug = 409, "busy"
