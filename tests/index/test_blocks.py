"""A block gives back exactly the rows that were folded, whatever they hold, and blocks of older versions are read."""

import itertools
import random
import struct
import zlib
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.index import rows as rows_module
from logsense.index.base import DIFFERENCE_COLUMNS, pack, to_json, unpack
from logsense.index.rows import RowReader, RowWriter
from logsense.record import LogRecord

TEXT = st.sampled_from(
    ["", "a", "0", "1", "10.0.0.1", "10.0.0.1:80", "80", "x:y:z", "é", "\n", "\ud800", "True", "1.0"]
)
VALUE = TEXT | st.integers(-3, 90) | st.booleans() | st.none() | st.floats(allow_nan=False) | st.just(2**70)
VALUE = VALUE | st.lists(VALUE, max_size=2) | st.dictionaries(TEXT, VALUE, max_size=2)
RECORDS = st.builds(
    LogRecord,
    id=TEXT,
    timestamp_ns=st.integers(-5, 2**62),
    message=st.lists(TEXT, max_size=4).map(" ".join),
    source=TEXT,
    ingested_ns=st.integers(0, 2**62),
    original=st.none() | st.lists(TEXT, max_size=5).map(" ".join),
    template_id=st.sampled_from(["t1", "t2"]),
    parameters=st.lists(TEXT, max_size=3),
    fields=st.dictionaries(st.sampled_from(["source.ip", "source.port", "n"]), VALUE, max_size=3),
)


def as_json(row):
    return orjson.loads(to_json(list(row)))


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=12), st.integers(1, 5))
def test_rows_come_back_as_json_knows_them(tmp_path_factory, records, size):
    path = tmp_path_factory.mktemp("rows") / "rows.bin"
    packed = [pack(record, 1000) for record in records]
    writer = RowWriter(path)
    pointers = []
    for part in itertools.batched(packed, size) if hasattr(itertools, "batched") else [packed]:
        pointers += [writer.add(row, 10) for row in part]
        writer.flush()
    writer.close()
    found = RowReader(path).read(pointers)
    assert [as_json(row) for row in found] == [as_json(row) for row in packed]
    for row, (before, after) in zip(found, zip(packed, map(as_json, packed), strict=True), strict=True):
        assert [type(value) for value in row[13].values()] == [type(value) for value in after[13].values()], before


def line(n, rng):
    port, address, pid = rng.randrange(1024, 65536), f"10.0.{rng.randrange(9)}.{rng.randrange(99)}", rng.randrange(9999)
    message = f"connection from {address}:{port} refused"
    return LogRecord(
        id=f"b-{n:x}",
        timestamp_ns=n * 10**6,
        message=message,
        source="syslog:514",
        ingested_ns=n * 10**6,
        host="h",
        service="s",
        original=f"Nov 25 03:46:53 h s[{pid}]: {message}",
        template_id="t",
        parameters=[f"{address}:{port}"],
        fields={"process.pid": pid, "source.ip": address, "source.port": port, "labels.host": address},
    )


def test_what_is_said_five_times_is_kept_once(tmp_path):
    rng = random.Random(1)
    records = [line(n, rng) for n in range(5000)]
    writer = RowWriter(tmp_path / "rows.bin")
    pointers = [writer.add(pack(record, 1000), len(record.message)) for record in records]
    writer.flush()
    writer.close()
    found = [unpack(row) for row in RowReader(tmp_path / "rows.bin").read(pointers)]
    assert found == records
    # An address in 9 × 99, a port and a process id are some 5 bytes of information.
    assert (tmp_path / "rows.bin").stat().st_size / len(records) < 14


@pytest.mark.parametrize("compress", [zlib.compress, lambda data: rows_module._zstd().compress(data, 3)])
def test_blocks_of_older_versions_are_read_and_added_to(tmp_path: Path, compress):
    records = [line(n, random.Random(n)) for n in range(20)]
    columns = [list(column) for column in zip(*(pack(record, 1000) for record in records), strict=True)]
    for at in DIFFERENCE_COLUMNS:
        columns[at] = [columns[at][0], *(b - a for a, b in itertools.pairwise(columns[at]))]
    payload = compress(to_json(columns))
    path = tmp_path / "rows.bin"
    path.write_bytes(struct.pack("<II", zlib.crc32(payload), len(payload)) + payload)
    writer = RowWriter(path)
    pointer = writer.add(pack(line(99, random.Random(5)), 1000), 50)
    writer.flush()
    writer.close()
    reader = RowReader(path)
    assert [unpack(row) for row in reader.read(range(20))] == records
    assert unpack(reader.read([pointer])[0]) == line(99, random.Random(5))
