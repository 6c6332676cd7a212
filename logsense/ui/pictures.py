"""Pictures on pages: server-drawn SVG that needs no script, follows dark and light, and speaks the page's language."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from logsense.pictures.curves import precision_recall_picture, reliability_picture
from logsense.pictures.frame import Picture
from logsense.pictures.series import metric_picture, risk_picture, table
from logsense.ui.format import plain
from logsense.ui.language import gettext
from logsense.ui.language import marked as _

#: What the pictures say; they know no catalogue, so their words stand here for it.
WORDS = (
    _("%(what)s of %(host)s from %(first)s to %(last)s UTC: %(low)s to %(high)s, %(count)s anomalies"),
    _("Risk of failure of %(host)s from %(first)s to %(last)s UTC: at most %(high)s, last %(now)s"),
    _("Of %(count)s groups of forecasts the one farthest off said %(said)s and %(true)s came true"),
    _("Average precision: %(list)s"), _("Reliability"), _("Precision and recall"), _("forecast probability"),
    _("share that came true"), _("as it should be"), _("recall"), _("risk of failure"), _("alarm from here"),
    _("usual range"), _("anomaly"), _("incident"),
    # who forecasts: the service, the model alone, and rules that need no training
    _("served"), _("model"), _("time to limit"), _("error count"), _("recency of errors"),
)  # fmt: skip


def _say(words: str) -> str:
    """In the language of the page where the catalogue knows the words; names of others stay as they are."""
    return gettext(words) if words in WORDS else words


def drawn(picture: Picture | None) -> dict[str, Any] | None:
    """{"svg", "legend": [(class, words)], "said": the description, "title"} for a template."""
    if picture is None:
        return None
    title = picture.title.partition(" · ")[0]
    return {"svg": Markup(picture.svg()), "legend": picture.legend, "said": picture.description, "title": title}  # noqa: S704 - escaped


def metric(view: dict[str, Any], host: str, name: str) -> dict[str, Any]:
    """The picture of a metric with the rows of its table."""
    made = drawn(metric_picture(view, plain(host), plain(name), _say)) or {}
    return {**made, "rows": table(view)}


def risk(shown: dict[str, Any], host: str) -> dict[str, Any]:
    """The picture of a host's risk; ``shown`` as ``riskview.view`` gives it."""
    made = drawn(risk_picture(shown["course"], plain(host), shown["incidents"], shown["threshold"], _say)) or {}
    every = max(1, len(shown["course"]) // 60)
    return {**made, "rows": shown["course"][::every]}


def curves(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Reliability, and precision against recall, as far as the card holds them."""
    made = (drawn(reliability_picture(card, _say)), drawn(precision_recall_picture(card, _say)))
    return [picture for picture in made if picture]
