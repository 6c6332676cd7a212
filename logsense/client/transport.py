"""What both clients share: settings, when to try again, and what an error answer means."""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from logsense.errors import LogsenseError

if TYPE_CHECKING:
    import httpx

#: Where `logsense serve` listens without further settings.
DEFAULT_URL = "http://127.0.0.1:8514"
#: Answers that say "later": too many requests, and a service or its proxy that is away for the moment.
AGAIN = (429, 502, 503, 504)
#: Seconds: the first wait without a Retry-After, and the longest wait of any kind.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0


class ServerProblem(LogsenseError):
    """The server said no, or could not be reached. ``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, what: str, *, why: str = "", where: str = "", fix: str = "", status: int = 0) -> None:
        super().__init__(what, why=why, where=where, fix=fix)
        self.status = status


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server."""

    #: Where it is, e.g. ``https://logs.example.org:8514``.
    url: str = DEFAULT_URL
    #: A key with the scope "search" (``logsense keys add``); "" where the server asks for none.
    api_key: str = ""
    #: TLS: True checks the certificate against the system's authorities, a path names a CA file, False checks nothing.
    verify: bool | str = True
    #: Seconds to wait for one answer.
    timeout_s: float = 30.0
    #: Further attempts after a refusal that will pass (429, 502, 503, 504) or a connection that failed.
    retries: int = 4

    def arguments(self) -> dict[str, Any]:
        """For ``httpx.Client`` and ``httpx.AsyncClient``."""
        import httpx

        headers = {"Accept": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        verify: Any = self.verify
        if isinstance(self.verify, str):
            import ssl

            verify = ssl.create_default_context(cafile=self.verify)
        timeout = httpx.Timeout(self.timeout_s)
        return {"base_url": self.url.rstrip("/"), "headers": headers, "verify": verify, "timeout": timeout}


def wait_s(attempt: int, retry_after: str | None = None) -> float:
    """Seconds before the attempt after number ``attempt`` (from 0): as the server says, else growing and random."""
    if retry_after:
        try:
            asked = float(retry_after)
        except ValueError:
            moment = email.utils.parsedate_to_datetime(retry_after) if "," in retry_after else None
            asked = moment.timestamp() - time.time() if moment else 0.0
        return min(max(asked, 0.0), LONGEST_WAIT_S)
    return min(FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.5), LONGEST_WAIT_S)  # noqa: S311 (spreads retries, hides nothing)


def read(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises ``ServerProblem`` with the server's own words otherwise."""
    try:
        content = response.json()
    except ValueError:
        content = None
    if response.is_success and content is not None:
        return content
    told = content if isinstance(content, dict) else {}
    raise ServerProblem(
        str(told.get("detail") or f"the server answered {response.status_code} {response.reason_phrase}"),
        why=str(told.get("why") or ("" if told else "the answer is no JSON: is this a logsense server?")),
        where=str(told.get("where") or response.request.url.path),
        fix=str(told.get("fix") or ""),
        status=response.status_code,
    )


def unreachable(url: str, error: Exception) -> ServerProblem:
    return ServerProblem(
        f"logsense at {url} cannot be reached",
        why=str(error) or type(error).__name__,
        where=url,
        fix="is `logsense serve` running there, and is the address right?",
    )
