"""Words that pages show because data names them: states, kinds, counters. Each stands here once for the catalogues."""

from __future__ import annotations

from markupsafe import Markup

from logsense.ui.format import visible
from logsense.ui.language import gettext
from logsense.ui.language import marked as _

WORDS = (
    # states and severities of incidents, verdicts about them
    _("open"), _("acknowledged"), _("resolved"), _("low"), _("medium"), _("high"), _("critical"),
    _("right cause"), _("wrong cause"), _("noise"),
    # kinds of evidence
    _("line"), _("template"), _("metric"), _("signal"), _("incident"),
    # kinds of values, as ``mine.values`` names them
    _("ip"), _("address"), _("duration"), _("size"), _("percent"), _("integer"), _("decimal"), _("uuid"), _("mac"),
    _("time"), _("hex"), _("url"), _("email"), _("boolean"), _("path"), _("version"), _("host"), _("word"), _("text"),
    _("unknown"),
    # columns of computed answers
    _("lines"), _("service"), _("level"), _("from"), _("to"),
    # counters of sources, parts of the service
    _("accepted"), _("parsed"), _("unparsed"), _("late"), _("future"), _("dropped"), _("index"), _("worker"),
    _("models"), _("spool"), _("backlog bytes"),
    # who forecasts
    _("served"), _("time to limit"), _("error count"), _("recency of errors"),
    # spans of time
    _("15 min"), _("1 h"), _("6 h"), _("24 h"), _("7 d"), _("All"), _("10 s"), _("1 min"), _("10 min"),
)  # fmt: skip

#: Kinds of signals, as ``record.Signal`` names them.
SIGNALS = {
    "log.new": _("new message"), "log.rate": _("more lines than usual"), "log.silence": _("a message is missing"),
    "log.severity": _("errors"), "log.unit": _("a service failed or restarted"), "metric.high": _("metric too high"),
    "metric.low": _("metric too low"), "metric.change": _("metrics changed together"),
    "alert": _("alert of another system"), "log.session": _("a session went another way"),
    "log.slow": _("requests are slow"),
    "log.value": _("a value outside its range"), "db.slow": _("a statement is slow"),
    "db.rate": _("a statement more often than usual"), "net.scan": _("a scan"), "net.flood": _("a flood"),
    "net.dns": _("name lookups fail"), "net.beacon": _("regular contacts"), "net.talker": _("a new contact"),
}  # fmt: skip

#: Kinds of parts of a compiled query, and of facets.
CHIPS = frozenset((
    _("time"), _("host"), _("service"), _("level"), _("pipeline"), _("template"), _("field"), _("identifier"),
    _("phrase"), _("exclude"), _("words"), _("from"), _("to"), _("component"), _("incident"), _("answer"),
    _("language"),
))  # fmt: skip


def chip_kind(name: object) -> Markup:
    """The kind of a part of a query, in the language of the page."""
    said = str(name)
    return Markup("{}").format(gettext(said) if said in CHIPS else visible(said, 30))


def word(name: object) -> Markup:
    """A word that data names, in the language of the page; an unknown one as it is."""
    said = str(name)
    known = said in SIGNALS or said in WORDS
    return Markup("{}").format(gettext(SIGNALS.get(said, said))) if known else visible(said, 60)
