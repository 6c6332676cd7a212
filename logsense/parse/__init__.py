"""Lines → records: formats as data, detection, joining of lines, ECS fields, and redaction of secrets."""

from logsense.parse.check import FormatProblem, check_formats
from logsense.parse.ecs import to_ecs
from logsense.parse.loader import FormatInfo, formats_table, list_formats
from logsense.parse.options import ParseOptions, RedactOptions
from logsense.parse.parser import Parser
from logsense.parse.redact import Redactor

__all__ = [
    "FormatInfo",
    "FormatProblem",
    "ParseOptions",
    "Parser",
    "RedactOptions",
    "Redactor",
    "check_formats",
    "formats_table",
    "list_formats",
    "to_ecs",
]
