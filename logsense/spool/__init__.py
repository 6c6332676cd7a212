"""The durable queue between accepting and indexing."""

from logsense.spool.codec import is_entry_id
from logsense.spool.disk import DiskSpool, waiting_bytes
from logsense.spool.intake import SpoolIntake
from logsense.spool.options import SpoolOptions
from logsense.spool.reader import SpoolReader

__all__ = ["DiskSpool", "SpoolIntake", "SpoolOptions", "SpoolReader", "is_entry_id", "waiting_bytes"]
