"""Tenants: whose lines are whose, by construction. Each has a folder of its own; nothing is filtered, so no filter
can be forgotten.

The tenant ``default`` lives in the data folder itself, where everything lived before there were tenants. Any other
one lives in ``<data>/tenants/<name>`` with its own spool, index, detectors and models in use. In Elasticsearch its
indices begin with ``<prefix>.<name>.-``: a name has no dot, so no pattern of one tenant ever matches an index of
another (``logsense-logs-*`` would match those of a tenant called ``logs``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from logsense.config import Settings
from logsense.errors import BadInput, Overloaded

DEFAULT = "default"
#: In a key's tenants: it may name any.
ANY = "any"
#: What clients choose a tenant by; Loki's name for it.
HEADER = "x-scope-orgid"
FOLDER = "tenants"
_NAME = re.compile(r"[a-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class TenantOptions:
    """``[tenants]``: how many customers, teams or estates share this installation without seeing each other."""

    #: Most tenants beside ``default``. Lines for a further one are answered 429, so that its sender keeps them.
    max_tenants: int = 50
    #: Seconds without lines after which the worker lets go of a tenant's memory; it is taken up again with the next.
    idle_s: float = 900.0

    def __post_init__(self) -> None:
        if self.max_tenants < 0 or self.idle_s < 1:
            raise ValueError("max_tenants is zero or above, idle_s at least 1")


def check_name(name: str) -> str:
    """``name``, if a tenant may be called so. Raises BadInput."""
    if not _NAME.fullmatch(name) or name == ANY:
        raise BadInput(
            f"{name[:60]!r} is no tenant's name.",
            why="a name is 1 to 40 of a-z, 0-9, '-' and '_', and not 'any'",
            where="X-Scope-OrgID or --tenant",
            fix="use a name such as team-a, or leave it out for the default tenant",
        )
    return name


def folder(data: Path, name: str) -> Path:
    """Where the tenant's spool, index and state are."""
    return data if check_name(name) == DEFAULT else data / FOLDER / name


def settings_of(settings: Settings, name: str) -> Settings:
    """The installation's settings for this tenant: they differ in where an index on a server keeps its lines.

    Whatever ``[index] type`` says now: ``reindex`` opens the other kind with these settings too.
    """
    if check_name(name) == DEFAULT:
        return settings
    prefix = f"{settings.section('elasticsearch').prefix}.{name}."
    elastic = {**settings.tables.get("elasticsearch", {}), "prefix": prefix}
    return replace(settings, tables={**settings.tables, "elasticsearch": elastic})


def names(data: Path) -> list[str]:
    """The tenants beside ``default`` that have a folder."""
    try:
        return sorted(p.name for p in (data / FOLDER).iterdir() if p.is_dir() and _NAME.fullmatch(p.name))
    except OSError:
        return []


def check_room(data: Path, limit: int, name: str) -> None:
    """Raise Overloaded when ``name`` would be one tenant too many: what it sends must wait until someone decides."""
    if len(names(data)) >= limit:
        raise Overloaded(
            f"There is no room for a further tenant {name!r}.",
            retry_after_s=60,
            why=f"there are {limit} of them, as many as max_tenants allows",
            where="[tenants] max_tenants",
            fix="raise it, or remove a tenant that is not used any more",
        )
