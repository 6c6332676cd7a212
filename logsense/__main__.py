"""``python -m logsense``."""

from logsense.cli import main

main()
