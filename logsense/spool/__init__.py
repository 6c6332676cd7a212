"""The durable queue between accepting and indexing."""

from logsense.spool.disk import DiskSpool, waiting_bytes
from logsense.spool.intake import SpoolIntake
from logsense.spool.options import SpoolOptions
from logsense.spool.reader import SpoolReader

__all__ = ["DiskSpool", "SpoolIntake", "SpoolOptions", "SpoolReader", "waiting_bytes"]
