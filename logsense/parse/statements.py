"""SQL statements: the fingerprint by which executions of the same statement are counted together.

One definition for all databases and clients. Two statements are the same if they differ only in literals, in the
number of values of an ``IN`` list or of rows of ``VALUES``, in comments, white space, a final semicolon, or upper and
lower case outside quotes. Nothing of a literal remains, so a fingerprint gives no data away.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import pairwise

_MAX_CHARS = 20_000  # of a statement that are looked at: a bulk INSERT repeats itself
_MAX_NORMALIZED = 2_000

# Alternatives begin with different characters or are tried in this order; none can match the same text in two ways.
_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/|$)|\#(?![>\-])[^\n]*)
      |(?P<dollar>\$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z))
      |(?P<string>(?:\b[NnEeXxBb])?'(?:[^'\\]|\\.|'')*+(?:'|\Z))
      |(?P<double>"(?:[^"\\]|\\.|"")*+(?:"|\Z))
      |(?P<tick>`[^`]*+(?:`|\Z)|\[[A-Za-z_][\w .]*\])
      |(?P<number>(?<![\w.])(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)(?!\w))
      |(?P<holder>\?|\$\d+|:\w+(?<!::)|@[Pp]\d+|%s|%\(\w+\)s)
      |(?P<word>[\w$@]+(?:\.[\w$@]+)*)
      |(?P<sign>::|<=>|[<>!=]=|<>|\|\||->>?|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMPARES = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "<=>", "like", "ilike", "rlike", "regexp", "("})
_OPERATORS = frozenset({*_COMPARES, ",", "+", "-", "*", "/", "%", "||", "return", "select", "limit", "offset", "then",
                        "else", "when", "between", "and", "or", "values", "in", "by", "set"})  # fmt: skip
_CONSTANTS = frozenset({"null", "true", "false"})


def _tokens(statement: str) -> list[str]:
    found: list[str] = []
    for match in _TOKEN.finditer(statement[:_MAX_CHARS]):
        kind = match.lastgroup if match.lastgroup != "tag" else "dollar"
        text = match[0]
        before = found[-1] if found else ""
        if kind == "skip":
            continue
        if kind in ("string", "number", "holder", "dollar") or (kind == "double" and before in _COMPARES):
            if before in ("-", "+") and (len(found) < 2 or found[-2] in _OPERATORS):
                found.pop()  # the sign belongs to the literal
            found.append("?")
        elif kind == "word":
            word = text.lower()
            found.append("?" if word in _CONSTANTS and before not in ("is", "not", "default") else word)
        elif kind in ("double", "tick"):
            found.append(text[1:-1])
        else:
            found.append(text)
    while found and found[-1] == ";":
        found.pop()
    return found


def _close(tokens: list[str], at: int) -> int:
    """The index behind the parenthesis that closes the one at ``at``."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index] == "(") - (tokens[index] == ")")
        if depth == 0:
            return index + 1
    return len(tokens)


def _collapsed(tokens: list[str]) -> list[str]:
    """``IN (…)`` without a subquery and the rows of ``VALUES`` as one value each."""
    made: list[str] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        made.append(word)
        at += 1
        if word not in ("in", "values", "value") or at >= len(tokens) or tokens[at] != "(":
            continue
        if word == "in" and tokens[at + 1 : at + 2] in (["select"], ["with"], ["table"]):
            continue
        at = _close(tokens, at)
        while word != "in" and tokens[at : at + 2] == [",", "("]:
            at = _close(tokens, at + 1)
        made += ["(", "?", ")"]
    return made


@lru_cache(maxsize=4096)
def normalize(statement: str) -> str:
    """``SELECT * FROM t WHERE id IN (1,2) -- x`` → ``select * from t where id in (?)``."""
    tokens = _collapsed(_tokens(statement))
    if not tokens:
        return ""
    parts = [tokens[0]]
    for before, token in pairwise(tokens):
        glued = token in (",", ")", ";", "::", ".") or before in ("(", "::", ".")
        parts.append(token if glued else f" {token}")
    return "".join(parts)[:_MAX_NORMALIZED]


@lru_cache(maxsize=4096)
def fingerprint(statement: str) -> str:
    """16 hexadecimal digits that are equal for the same statement, '' for none."""
    normal = normalize(statement)
    return hashlib.sha256(normal.encode("utf-8", "backslashreplace")).hexdigest()[:16] if normal else ""
