"""What the import contracts cannot say: a heavy library is imported in one module, and only when it is needed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "logsense"
HEAVY = (
    "drain3",
    "pcre2",
    "spacy",
    "sentence_transformers",
    "torch",
    "transformers",
    "tantivy",
    "sklearn",
    "bokeh",
    "elasticsearch",
    "resvg_py",
)


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """(top package, imported when the module is) of every import that runs."""

    def walk(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name.partition(".")[0], at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                yield child.module.partition(".")[0], at_import
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, at_import and not inner)

    yield from walk(tree, True)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, bool]]:
    """library → module → whether it is imported together with the module."""
    rows: dict[str, dict[str, bool]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE))
        for library, at_import in imports(ast.parse(path.read_text(encoding="utf-8"))):
            rows.setdefault(library, {})[module] = rows.get(library, {}).get(module, False) or at_import
    return rows


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_is_in_one_module_and_lazy(found: dict[str, dict[str, bool]], library: str) -> None:
    modules = found.get(library, {})
    assert len(modules) <= 1, f"{library} is imported in {sorted(modules)}"
    assert not any(modules.values()), f"{library} is imported at the top of {sorted(modules)}"


def test_nothing_unsafe_is_used(found: dict[str, dict[str, bool]]) -> None:
    assert not {"pickle", "jsonpickle", "joblib", "dill", "marshal", "shelve"} & set(found)


def test_modules_stay_readable() -> None:
    long = {
        str(p.relative_to(PACKAGE)): n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 500
    }
    assert not long
