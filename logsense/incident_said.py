"""What an incident says, for the model that finds incidents by meaning; and which ones say something new."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from logsense.record import Incident

if TYPE_CHECKING:
    from logsense.stages import Index

#: Incidents whose text is remembered, so that one which grows without saying anything new costs no model.
REMEMBERED = 1000
#: Characters: sentence models read about 250 words.
LONGEST = 1500
_TELLING = ("headline", "cause", "impact")


def said(incident: Incident) -> str:
    """Title, likeliest cause and the telling sentences of the summary."""
    cause = [text for best in incident.hypotheses[:1] for text in (best.title, best.why) if text]
    told = [sentence.text for sentence in incident.summary if sentence.role in _TELLING]
    return ". ".join(dict.fromkeys([incident.title, *cause, *told]))[:LONGEST]


class Said:
    """Remembers what incidents said last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def changed(self, incidents: Sequence[Incident]) -> dict[str, str]:
        """Id -> text of those that say something else than the last time."""
        found: dict[str, str] = {}
        for incident in incidents:
            text = said(incident)
            if self._known.get(incident.id) != text:
                found[incident.id] = self._known[incident.id] = text
            self._known.move_to_end(incident.id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def lacking(self, index: Index, limit: int) -> dict[str, str]:
        """The same of the newest ``limit`` incidents that have no vector: an older logsense made them, or a process
        that ended before its model was done."""
        having = {item for _, ids, _ in index.incident_vectors() for item in ids}
        return self.changed([i for i in index.incidents(limit=limit) if i.id not in having])
