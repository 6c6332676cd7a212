"""The optional language model: an OpenAI-compatible endpoint that may reword summaries. Off unless it is configured."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logsense.errors import BadInput, LogsenseError
from logsense.rootcause.reword import Reworded, reword

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from logsense.record import Sentence

log = logging.getLogger(__name__)
_MOST_ANSWER = 200_000  # characters that are read of an answer


@dataclass(frozen=True, slots=True)
class RewordOptions:
    """``[reword]``: a language model that may reword summaries when it is asked to. Nothing depends on it."""

    #: Base URL of an OpenAI-compatible API, e.g. ``http://127.0.0.1:11434/v1``; empty switches it off. Summaries,
    #: which quote log lines, are sent there.
    url: str = ""
    #: Name of the model there.
    model: str = ""
    #: Name of the environment variable that holds the API key; empty sends none.
    key_env: str = ""
    #: Seconds that an answer may take; after that the summary is shown as it is.
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        if self.url and not self.model:
            raise ValueError("url needs a model")


def reworded(sentences: Sequence[Sentence], options: RewordOptions, names: Iterable[str] = ()) -> Reworded:
    """The sentences, reworded where the model said the same. An endpoint that fails leaves all as they are.

    Raises ``BadInput`` when no endpoint is configured.
    """
    if not options.url:
        raise BadInput("No language model is configured.", fix="set url and model in [reword], or ask without it")
    try:
        return reword(sentences, lambda instructions, text: _ask(options, instructions, text), names)
    except _Failed as error:
        log.warning("the summary is shown as it is: %s", error)
        return Reworded(list(sentences), len(sentences), [str(error)])


class _Failed(LogsenseError):
    """The endpoint gave no usable answer."""


def _ask(options: RewordOptions, instructions: str, text: str) -> str:
    import httpx

    key = os.environ.get(options.key_env, "") if options.key_env else ""
    body = {
        "model": options.model, "temperature": 0,
        "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": text}],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.post(
            options.url.rstrip("/") + "/chat/completions", json=body, headers=headers, timeout=options.timeout_s
        )
        answer.raise_for_status()
        content = answer.json()["choices"][0]["message"]["content"]
    except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
        raise _Failed("the language model did not answer", why=f"{type(error).__name__}: {error}"[:300]) from error
    if not isinstance(content, str):
        raise _Failed("the language model did not answer", why="its answer holds no text")
    return content[:_MOST_ANSWER]
