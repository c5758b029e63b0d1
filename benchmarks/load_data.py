"""The tables that are loaded: eight columns of the common types, and lineitem of TPC-H."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

BATCH_ROWS = 65_536


def eight(rows: int, first: int = 0) -> Any:
    """Return rows of eight columns, with keys from `first` on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array(range(first, first + rows), pa.int64())
    day = pc.add(pa.scalar(0, pa.int32()), pc.cast(pc.divide(ids, 10_000), pa.int32()))
    # Quarters are exact in a float.
    prices = pc.divide(pc.cast(pc.bit_wise_and(pc.multiply(ids, 2_654_435_761), 0xFFFFFF), pa.float64()), 4.0)
    return pa.table(
        {
            "id": ids,
            "day": day.cast(pa.date32()),
            "amount": pc.divide(pc.cast(ids, pa.float64()), 7.0),
            "price": prices.cast(pa.decimal128(12, 2)),
            "name": pc.binary_join_element_wise("customer", pc.cast(ids, pa.string()), "-"),
            "flag": pc.equal(pc.bit_wise_and(ids, 1), 0),
            "moment": pc.cast(pc.multiply(ids, 1_000_000), pa.timestamp("us", "UTC")),
            "text": pc.cast(pc.bit_wise_and(ids, 255), pa.string()),
        }
    )


def changed(table: Any, step: int) -> Any:
    """Return one in so many rows of a table, each with another one's value in the third column."""
    import pyarrow as pa

    first, others = (table.take(pa.array(range(start, table.num_rows, step))) for start in (0, step // 2))
    return first.slice(0, others.num_rows).set_column(2, table.field(2), others.column(2))


def lineitem(rows: int, folder: Path) -> Any:
    """Return rows of TPC-H's lineitem, made by `tpchgen-cli`, with a key of one column in front."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scale = max(0.01, rows / 6_000_000)
    program = Path(sys.executable).with_name("tpchgen-cli")
    command = [program, "parquet", "-s", f"{scale + 0.01:.2f}", "--tables", "lineitem", "--output-dir", folder]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    table = pq.read_table(folder / "lineitem.parquet").slice(0, rows)
    plain = pa.schema([(name.name, pa.string() if _is_text(name.type) else name.type) for name in table.schema])
    return table.cast(plain).add_column(0, "id", pa.array(range(table.num_rows), pa.int64()))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def write(table: Any, path: Path) -> None:
    """Write an Arrow file as an asset's process writes one."""
    import pyarrow as pa

    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)
