"""Text into columns, quickly, and naming the line where it cannot be done."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.importers.opening import Source

__all__ = ["Table", "read_table"]

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


class Table:
    """Columns of text out of a delimited file; ``first_line`` is the line number of the first row."""

    def __init__(self, columns: dict[str, Any], first_line: int, source: str) -> None:
        self.columns = columns
        self.first_line = first_line
        self.source = source

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def floats(self, name: str, *, blank_is_nan: bool = False) -> Floats:
        """Turn a column into floats; a text that is no number is refused with its line."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.columns[name]
        if blank_is_nan:
            column = pc.replace_with_mask(column, pc.equal(column, ""), pa.scalar("nan", pa.string()))
        numbers: Floats = self._cast(column, pa.float64(), name, "a number").to_numpy(zero_copy_only=False)
        return numbers

    def whole(self, name: str) -> Times:
        """Turn a column into integers."""
        import pyarrow as pa

        numbers: Times = self._cast(self.columns[name], pa.int64(), name, "a whole number").to_numpy(
            zero_copy_only=False
        )
        return numbers

    def times(self, text: Any, what: str) -> Times:
        """Turn ``2019-02-04 00:00:00.994`` texts, as many as there are rows, into nanoseconds since 1970."""
        import pyarrow as pa

        stamps = self._cast(text, pa.timestamp("ns"), what, "a time such as 2019-02-04 00:00:00.994")
        nanoseconds: Times = stamps.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return nanoseconds

    def _cast(self, column: Any, kind: Any, what: str, wanted: str) -> Any:
        import pyarrow as pa

        try:
            return column.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            low, high = 0, len(column)
            while high - low > 1:
                middle = (low + high) // 2
                try:
                    column.slice(low, middle - low).cast(kind)
                    low = middle
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    high = middle
            text = str(column[low])[:60]
            raise BadData(
                f"{what} must be {wanted}, it was {text!r}", source=self.source, line=self.first_line + low
            ) from None


def read_table(source: Source, names: list[str] | None, *, delimiter: str = ",", content: bytes | None = None) -> Table:
    """Cut a text file into columns of text.

    Parameters
    ----------
    names : list of str or None
        Column names of a file without a header line; None takes them from the first line, in lower case.

    Raises
    ------
    BadData
        Not text, a line too long, another number of columns than the first line, or no rows.
    """
    import pyarrow as pa
    from pyarrow import csv

    raw = (source.content() if content is None else content).rstrip()
    name = source.path.name
    _check_text(raw, source.limits.max_line_bytes, name)
    if raw[:3] == b"\xef\xbb\xbf":
        raw = raw[3:]
    first_line = 1
    if names is None:
        header, _, raw = raw.partition(b"\n")
        names = [
            each.strip().strip("<>").strip().lower() for each in header.decode("ascii", "replace").split(delimiter)
        ]
        first_line = 2
        if len(set(names)) != len(names):
            raise BadData(f"column names must differ, they were {names}", source=name, line=1)
    if not raw:
        raise BadData("the file must hold at least one row below its header", source=name, line=first_line)
    try:
        table = csv.read_csv(
            pa.BufferReader(raw),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=8 << 20),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, quote_char=False, ignore_empty_lines=False, newlines_in_values=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _wrong_columns(raw, len(names), delimiter, first_line, name, error) from None
    columns = {each: table.column(each).combine_chunks() for each in names}
    return Table(columns, first_line, name)


def _check_text(raw: bytes, max_line_bytes: int, name: str) -> None:
    zero = raw.find(b"\0")
    if zero >= 0:
        raise BadData("the file must be text, it held a zero byte", source=name, line=raw.count(b"\n", 0, zero) + 1)
    # A line longer than the limit covers at least one whole stretch between multiples of the limit.
    start = 0
    while len(raw) - start > max_line_bytes:
        newline = raw.rfind(b"\n", start, start + max_line_bytes + 1)
        if newline < 0:
            raise BadData(
                f"a line must be at most {max_line_bytes} bytes", source=name, line=raw.count(b"\n", 0, start) + 1
            )
        start = newline + 1


def _wrong_columns(raw: bytes, n_columns: int, delimiter: str, first_line: int, name: str, error: Exception) -> BadData:
    mark = delimiter.encode()
    for index, line in enumerate(raw.split(b"\n")):
        found = line.count(mark) + 1
        if found != n_columns or not line.strip():
            shown = line[:60].decode("ascii", "replace")
            return BadData(
                f"a row must have {n_columns} columns, it had {found}: {shown!r}", source=name, line=first_line + index
            )
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return BadData("the file must be text, this line was not", source=name, line=first_line + index)
    return BadData(f"the file must be a table of text: {error}", source=name)
