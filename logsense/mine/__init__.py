"""From lines to templates: masks, the Drain tree and template identity."""

from logsense.mine.edited import EditedTemplates
from logsense.mine.fields import ParameterFields
from logsense.mine.miner import Miner, MinerOptions, mine_lines
from logsense.mine.tree import TreeOptions

__all__ = ["EditedTemplates", "Miner", "MinerOptions", "ParameterFields", "TreeOptions", "mine_lines"]
