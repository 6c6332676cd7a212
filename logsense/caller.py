"""Who asks or sends: set once a request is known to be allowed, read where its tenant's data is chosen.

There is no default: code that asks for the caller where none was established fails, and shows nobody's data.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from logsense.tenancy import DEFAULT


@dataclass(frozen=True, slots=True)
class Caller:
    """``name`` is the key's (empty without keys), ``source`` what limits count by: the key or the peer's address."""

    tenant: str = DEFAULT
    name: str = ""
    source: str = ""
    #: Signed in on the pages, so that there is something to sign out of.
    session: bool = False


#: The caller of the request that this task (and the threads it starts) works for.
CALLER: ContextVar[Caller] = ContextVar("logsense_caller")
