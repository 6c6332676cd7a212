"""``systemd-journal-upload``: ``POST /upload`` with the journal export format, as one request that may never end."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from logsense import errors
from logsense.deliver import accept_patiently
from logsense.receivers._body import BodyLimits, read_body
from logsense.receivers._events import now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._journal import Entry, JournalSplitter, event_of
from logsense.record import RawEvent
from logsense.stages import Intake


@dataclass(frozen=True, slots=True)
class JournalUploadOptions:
    """The journal receiver."""

    #: Sizes of a compressed request; one without Content-Encoding is read as a stream without end.
    limits: BodyLimits = field(default_factory=BodyLimits)
    #: Bytes of one journal entry; a larger one ends the request (400).
    max_entry_bytes: int = 64 * 1024**2


class JournalUploadReceiver:
    """Entries are kept as they arrive: with ``--follow`` the request lasts as long as the connection.

    While the spool is full the first entries of a request are refused (503); later on, the stream is not read, so
    the uploader waits. It counts an entry as uploaded when it was sent, and sends the last one again after a break:
    ids come from the entry's cursor or content, so what comes twice is kept once.
    """

    name = "journal_upload"
    prefix = "/journal"

    def __init__(self, options: JournalUploadOptions | None = None) -> None:
        self.options = options or JournalUploadOptions()

    def router(self, intake: Intake) -> APIRouter:
        """202 ``OK.``, as systemd-journal-remote answers."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def upload(request: Request) -> Response:
            splitter = JournalSplitter(self.options.max_entry_bytes)
            try:
                if request.headers.get("content-encoding", "identity") != "identity" or _small(request):
                    body = await read_body(request, self.options.limits)
                    await intake.accept(_events(splitter.feed(body) + splitter.end()))
                else:
                    await _stream(request, splitter, intake)
            except ValueError as error:
                raise errors.BadInput("The body is no journal export", why=str(error)) from error
            return Response("OK.\n", 202, media_type="text/plain")

        router.add_api_route("/upload", upload, methods=["POST"])
        return router


async def _stream(request: Request, splitter: JournalSplitter, intake: Intake) -> None:
    kept = False
    try:
        async for chunk in request.stream():
            events = _events(splitter.feed(chunk))
            if events and not kept:
                await intake.accept(events)  # nothing is promised yet: the whole request may be refused
                kept = True
            elif events:
                await accept_patiently(intake, events)
    except ClientDisconnect as error:
        raise errors.BadInput("The client hung up before the end of its request") from error
    events = _events(splitter.end())
    if events:
        await (accept_patiently(intake, events) if kept else intake.accept(events))


def _small(request: Request) -> bool:
    return request.headers.get("content-length", "").isdigit()


def _events(entries: list[Entry]) -> list[RawEvent]:
    received = now_ns()
    return [event for entry in entries if (event := event_of(entry, received)) is not None]


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    status = 503 if isinstance(error, errors.Overloaded) else error.status
    return Response(f"{error}\n", status, retry_headers(error), "text/plain")
