"""The only module that knows tantivy: the schema of a shard, and how a plan becomes a tantivy query."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.index.base import Plan, Unit, combinations
from logsense.index.text import MAX_WORD

if TYPE_CHECKING:
    import tantivy

    CompiledQuery = tantivy.Query
    IndexHandle = tantivy.Index
    WriterHandle = tantivy.IndexWriter
    SearcherHandle = tantivy.Searcher
    Document = tantivy.Document
    Order = tantivy.Order

_EXACT = ("host", "service", "level", "pipeline", "template_id")


@cache
def _schema() -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("message", tokenizer_name="log", index_option="position")
    for name in _EXACT:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("parts", tokenizer_name="log", index_option="basic")
    builder.add_text_field("facts", tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("at", fast=True)
    builder.add_unsigned_field("row", fast=True)
    return _without_norms(builder.build())


def _without_norms(schema: tantivy.Schema) -> tantivy.Schema:
    """The schema without field norms: a byte per line and field that only BM25 would read, and scores here are term
    presence. The builder has no option for it, the schema's own description (what pickling would keep) does."""
    parts: Any = schema.__reduce__()
    make, (described,) = parts
    for field in described["inner"]:
        indexing = field["options"].get("indexing")
        if indexing and "fieldnorms" in indexing:
            indexing["fieldnorms"] = False
    return make(described)


def open_index(path: Path, *, create: bool) -> tantivy.Index:
    import tantivy

    if create:
        path.mkdir(parents=True, exist_ok=True)
        (path / "rows.bin").touch()
        index = tantivy.Index(_schema(), path=str(path))
    else:
        index = tantivy.Index.open(str(path))
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    analyzer = analyzer.filter(tantivy.Filter.remove_long(4 * MAX_WORD)).filter(tantivy.Filter.lowercase())
    index.register_tokenizer("log", analyzer.build())
    index.config_reader("manual")
    return index


def document_type() -> type[Document]:
    import tantivy

    return tantivy.Document


def order(newest_first: bool) -> Order:
    import tantivy

    return tantivy.Order.Desc if newest_first else tantivy.Order.Asc


# --- from plan to tantivy query ---------------------------------------------------------------


def within(query: tantivy.Query, low: int, high: int) -> tantivy.Query:
    import tantivy

    times = tantivy.Query.range_query(_schema(), "at", tantivy.FieldType.Unsigned, low, high, True, False)
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, _unscored(times))])


def _unscored(query: tantivy.Query) -> tantivy.Query:
    import tantivy

    return tantivy.Query.const_score_query(query, 0.0)


def any_of(field: str, values: Sequence[str]) -> tantivy.Query:
    import tantivy

    if len(values) == 1:
        return tantivy.Query.term_query(_schema(), field, values[0], "basic")
    return tantivy.Query.term_set_query(_schema(), field, list(values))


def _words(form: Sequence[str]) -> tantivy.Query:
    import tantivy

    if len(form) == 1:
        return tantivy.Query.term_query(_schema(), "message", form[0], "basic")
    return tantivy.Query.phrase_query(_schema(), "message", list(form))


def _unit(unit: Unit) -> tantivy.Query:
    import tantivy

    options = [_words(form) for form in unit.forms]
    options += [any_of("parts", [form[0]]) for form in unit.forms if len(form) == 1 and form[0].isascii()]
    if unit.templates:
        options.append(any_of("template_id", unit.templates))
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, option) for option in options])


def _enough(plan: Plan) -> tantivy.Query:
    """At least ``required`` units; the score is the sum of their weights."""
    import tantivy

    scored = [tantivy.Query.const_score_query(_unit(unit), float(unit.weight)) for unit in plan.units]
    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Should, query) for query in scored], minimum_number_should_match=plan.required
    )


def _filtered(plan: Plan, core: Sequence[tuple[tantivy.Occur, tantivy.Query]]) -> tantivy.Query:
    import tantivy

    must, must_not = tantivy.Occur.Must, tantivy.Occur.MustNot
    clauses = list(core)
    for field, values in (
        ("host", plan.hosts),
        ("service", plan.services),
        ("level", plan.levels),
        ("pipeline", plan.pipelines),
    ):
        if values:
            clauses.append((must, _unscored(any_of(field, values))))
    clauses += [(must, _unscored(any_of("facts", [fact]))) for fact in plan.facts]
    clauses += [(must, _unscored(_words(phrase))) for phrase in plan.phrases]
    if not any(occur == must for occur, _ in clauses):
        clauses.append((must, _unscored(tantivy.Query.all_query())))
    clauses += [(must_not, _unit(unit)) for unit in plan.excludes]
    return tantivy.Query.boolean_query(clauses)


def compile_plan(plan: Plan) -> tantivy.Query:
    """The plan without its time range, which each shard adds where it needs to (``View._clip``)."""
    import tantivy

    if plan.impossible:
        return tantivy.Query.empty_query()
    should: list[tantivy.Query] = [_enough(plan)] if plan.units else []
    for rank, family in enumerate(plan.ranks):
        should.append(tantivy.Query.const_score_query(any_of("template_id", family), float(plan.rank_score(rank))))
    core = []
    if should:
        union = tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in should])
        core.append((tantivy.Occur.Must, union))
    return _filtered(plan, core)


def compile_score(plan: Plan, score: int) -> tantivy.Query:
    """The lines of ``compile_plan`` that have exactly this score."""
    import tantivy

    must, must_not, should = tantivy.Occur.Must, tantivy.Occur.MustNot, tantivy.Occur.Should
    every_rank = [template_id for family in plan.ranks for template_id in family]
    options = []
    for rank, held in combinations(plan, score):
        clauses = [(must if at in held else must_not, _unit(unit)) for at, unit in enumerate(plan.units)]
        if rank is None:
            clauses += [(must_not, any_of("template_id", every_rank))] if every_rank else []
        else:
            if not held and plan.units:
                clauses = [(must_not, _enough(plan))]
            clauses.append((must, any_of("template_id", plan.ranks[rank])))
        options.append(tantivy.Query.boolean_query(clauses))
    if not options:
        return tantivy.Query.empty_query()
    union = tantivy.Query.boolean_query([(should, option) for option in options])
    return _filtered(plan, [(must, _unscored(union))])
