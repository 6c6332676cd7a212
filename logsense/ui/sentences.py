"""What the rest of logsense says in English, said in the language of the page.

Notes of a search, advice of the doctor and errors are sentences with names in them. Each is listed here as a pattern
whose words stand in the catalogues; what a pattern took out is put back as it was. A sentence that no pattern knows
is shown in English and marked as English, for screen readers and for whoever adds it here.
"""

from __future__ import annotations

import functools
import re

from markupsafe import Markup

from logsense.ui.format import visible
from logsense.ui.language import current, gettext
from logsense.ui.language import marked as _

SENTENCES = (
    # notes of a search
    _("nothing in the index is close to this question"),
    _("no line matches"),
    _("no line holds %(what)s"),
    _("no line holds %(what)s; searched for the other words"),
    _("the language model is not loaded: searched by keyword only"),
    _("no template has a vector yet: searched by keyword only"),
    _("no message says this plainly; these are the closest ones"),
    _("messages with this meaning exist, but none within the filters"),
    _("only the first %(count)s characters were read"),
    _("no host is named %(what)s"),
    _("no host is named %(what)s; nearest: %(near)s"),
    _("no service is named %(what)s"),
    _("no service is named %(what)s; nearest: %(near)s"),
    _("no host or service is named %(what)s; nearest: %(near)s"),
    _("no incident is named %(what)s"),
    _("no %(what)s is recorded in the logs; searched all the time"),
    _("no line states the level %(what)s; searched as a word"),
    # the doctor
    _("%(share)s of the lines match no format: they are kept and searchable, but have no fields. Set `format` for this "
      "source, or copy a file of logsense/parse/formats and adapt it."),
    _("Lines were dropped: UDP cannot wait. Use TCP, or raise the receive buffer (net.core.rmem_max)."),
    _("Some lines are from the future: check the sender's clock and the pipeline's time_zone."),
    _("Many lines arrive late and miss detection: look for buffering in the shipper, or raise worker.lateness_s."),
    _("The index refused %(count)s documents for what they hold; each is kept with the reason in %(where)s, and all "
      "others got through."),
    _("People are not told here: %(why)s (tried again; `logsense notify` shows it)."),
    # how ports are protected
    _("this machine only"),
    _("nothing: anyone who reaches it may send"),
    _("API keys"),
    _("client certificates"),
    _("shared key"),
    _("only from %(what)s"),
    # what a chip means
    _("the line holds %(what)s"),
    _("without %(what)s"),
    _("any host but %(what)s"),
    _("any service but %(what)s"),
    # errors and what to do about them
    _("There is nothing at %(what)s"),
    _("There is no host %(what)s"),
    _("There is no line %(what)s."),
    _("There is no incident %(what)s."),
    _("There is no template %(what)s."),
    _("There is no evidence %(what)s."),
    _("Incident %(id)s cannot take %(what)s."),
    _("An incident cannot be merged into itself."),
    _("name the one that it is part of"),
    _("%(id)s is part of %(other)s."),
    _("%(id)s is part of %(other)s already."),
    _("That would leave nothing in %(id)s."),
    _("That would leave everything in %(id)s."),
    _("name hosts or services that are a part of it"),
    _("use that one"),
    _("split that one"),
    _("The note is empty."),
    _("write what you found or did"),
    _("The name is empty."),
    _("write what the message means"),
    _("The name cannot be used."),
    _("it is longer than %(count)s characters or not printable"),
    _("write a short name in plain characters"),
    _("Template %(id)s has this name already."),
    _("use another name, or merge the two"),
    _("A template cannot be merged into itself."),
    _("the miner merged the two already"),
    _("they are the same"),
    _("%(id)s is merged into %(other)s: that would be a circle"),
    _("name two different templates"),
    _("The two belong to different services: %(one)s and %(other)s."),
    _("messages of different programs rarely mean the same"),
    _("add --force (force: true) if they do"),
    _("it is resolved"),
    _("it is resolved already"),
    _("reopen it first if it is not over"),
    _("only a resolved incident can be reopened"),
    _("nothing needs to be done"),
    _("nothing arrived from it"),
    _("it was never indexed, or its day was deleted"),
    _("check the address; /openapi.json and /docs list every operation"),
    _("see /hosts"),
    _("see /docs for what it may be"),
    _("%(what)s is not a time: %(given)s"),
    _("it is neither RFC 3339 nor an epoch nor relative, or lies outside 1970 to 2262"),
    _("write it as 2026-03-01T02:00:00Z, 1772330400, -15m or now"),
    _("from does not lie before to"),
    _("swap them or leave one out"),
    _("%(what)s cannot be used"),
    _("Something went wrong inside logsense"),
    _("an unexpected error; its traceback is in the log of the server"),
    _("look for %(id)s in the server's log and report it"),
    # answers that are computed
    _("No line was found."),
    _("1 line was found."),
    _("%(count)s lines were found."),
    _("Nothing found."),
    _("Different values of %(what)s: %(count)s."),
    _("Values of %(what)s: %(count)s."),
    _("Values of %(what)s with at least %(least)s lines: %(count)s."),
    _("Values of %(what)s with %(least)s to %(most)s lines: %(count)s."),
    _("Only the first %(count)s lines were read."),
    _("Most at %(time)s: %(count)s lines."),
    _("%(now)s lines against %(before)s: %(change)s."),
    _("%(now)s lines against none."),
    _("The index begins at %(time)s: the earlier time is not complete."),
    _("The first one was at %(time)s."),
    _("The last one was at %(time)s."),
    # models and forecasts
    _("ok"),
    _("starting"),
    _("loading"),
    _("off"),
    _("down: %(why)s"),
)  # fmt: skip

_PLACE = re.compile(r"%\((\w+)\)s")


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those with more fixed words first: they are the more particular ones."""
    made = []
    for sentence in sorted(SENTENCES, key=lambda s: -len(_PLACE.sub("", s))):
        parts = _PLACE.split(sentence)
        pattern = "".join(f"(?P<{p}>.+?)" if at % 2 else re.escape(p) for at, p in enumerate(parts))
        made.append((re.compile(pattern, re.DOTALL), sentence))
    return tuple(made)


def say(text: object, limit: int = 800) -> Markup:
    """A sentence of logsense in the current language, escaped; what it names stays as it is."""
    said = str(text)
    if current().code == "en" or not said:
        return visible(said, limit)
    parts = said[: 4 * limit].split(". ")
    whole = [_say(said[: 4 * limit], limit)]
    if whole[0] is None and len(parts) > 1:  # advice of several sentences
        whole = _pieces(said[: 4 * limit], limit)
    return Markup(" ").join(w for w in whole if w) if all(whole) else _foreign(said, limit)


def means(text: object) -> Markup:
    """What a part of a query means: a sentence of ours, or names and words that stay as they are."""
    said = str(text)
    known = _say(said, 140) if current().code != "en" else None
    return known if known is not None else Markup('<span translate="no">{}</span>').format(visible(said, 140))


def _say(said: str, limit: int) -> Markup | None:
    for pattern, sentence in _patterns():
        if found := pattern.fullmatch(said):
            own = {k: Markup('<span translate="no">{}</span>').format(visible(v, limit))
                   for k, v in found.groupdict().items()}  # fmt: skip
            return Markup(gettext(sentence).replace("`", "")) % own if own else Markup("{}").format(gettext(sentence))  # noqa: S704
    return None


def _pieces(said: str, limit: int) -> list[Markup | None]:
    """Each sentence by itself, from the front, as long a piece as a pattern knows."""
    made: list[Markup | None] = []
    ends = [m.end() for m in re.finditer(r"\.(?:\s+|$)", said)] or [len(said)]
    begin = 0
    while begin < len(said):
        for end in reversed([e for e in ends if e > begin] or [len(said)]):
            if piece := _say(said[begin:end].strip(), limit):
                made.append(piece)
                begin = end
                break
        else:
            return [None]
    return made


def _foreign(said: str, limit: int) -> Markup:
    return Markup('<span lang="en">{}</span>').format(visible(said, limit))
