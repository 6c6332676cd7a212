"""The server's side of TLS, for every port that has it."""

from __future__ import annotations

import ssl
from pathlib import Path

from logsense.errors import BadConfig


def server_context(certificate: Path | str, key: Path | str | None, client_ca: Path | str | None) -> ssl.SSLContext:
    """A context with the PEM ``certificate`` (and chain); with ``client_ca`` only clients that it signed may connect.

    Raises ``BadConfig`` where a file cannot be read or does not fit.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise BadConfig("The TLS certificate cannot be loaded", why=str(error), where=str(certificate)) from error
    return context
