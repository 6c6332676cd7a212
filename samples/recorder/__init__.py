"""Records real software under injected faults; see ``samples/README.md``."""
