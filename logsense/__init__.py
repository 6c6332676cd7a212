"""logsense reads what machines write and tells people what broke, why, and what is about to."""

__version__ = "0.1.0"
