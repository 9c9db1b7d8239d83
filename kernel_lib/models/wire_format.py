"""Read protobuf's wire format, within bounds, without the onnx package: what a model file says before anything runs it.

Field numbers and types: https://protobuf.dev/programming-guides/encoding/ and onnx.proto of ONNX 1.17.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["as_signed", "fields", "repeated_floats", "repeated_ints", "text", "varints"]

Value = int | memoryview


def fields(part: memoryview, what: str) -> Iterator[tuple[int, Value]]:
    """Give field number and value of a message, one after the other: a number, or the bytes of text or message.

    Fixed numbers of 4 and 8 bytes come as bytes.

    Raises
    ------
    BadData
        It ends inside a field, or has a wire type that is no longer written.
    """
    at, end = 0, len(part)
    while at < end:
        tag, at = _varint(part, at, what)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(part, at, what)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(part, at, what)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise BadData(f"{what} must be protobuf, it has the wire type {wire} at byte {at}")
        if number == 0 or length > end - at:
            raise BadData(f"{what} must be whole, field {number} wants {length} bytes of {end - at}")
        yield number, part[at : at + length]
        at += length


def repeated_ints(part: memoryview, number: int) -> npt.NDArray[np.int64] | None:
    """Read a part that holds nothing but one repeated, unpacked field of whole numbers; None where it is otherwise.

    A tree has tens of thousands of them, so they are read as arrays.
    """
    octets = np.frombuffer(part, dtype=np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if len(octets) == 0 or len(ends) == 0 or ends[-1] != len(octets) - 1 or len(ends) % 2:
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not ((octets[starts[::2]] == number << 3).all() and (starts[::2] == ends[::2]).all()):
        return None
    return _decoded(octets, starts[1::2], ends[1::2])


def varints(part: memoryview, what: str) -> npt.NDArray[np.int64]:
    """Read packed whole numbers."""
    octets = np.frombuffer(part, dtype=np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if len(octets) and (len(ends) == 0 or ends[-1] != len(octets) - 1):
        raise BadData(f"{what} must hold whole numbers, it ends inside one")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    decoded = _decoded(octets, starts, ends)
    if decoded is None:
        raise BadData(f"{what} must hold numbers of at most 64 bits")
    return decoded


def repeated_floats(part: memoryview, number: int) -> npt.NDArray[np.float32] | None:
    """Read a part that holds nothing but one repeated, unpacked field of 4-byte floats; None where it is otherwise."""
    octets = np.frombuffer(part, dtype=np.uint8)
    if len(octets) == 0 or len(octets) % 5:
        return None
    rows = octets.reshape(-1, 5)
    if not (rows[:, 0] == (number << 3 | 5)).all():
        return None
    return np.ascontiguousarray(rows[:, 1:]).view("<f4")[:, 0]


def as_signed(number: int) -> int:
    """Read a 64-bit varint as a signed number."""
    return number - 2**64 if number >= 2**63 else number


def text(value: Value, what: str) -> str:
    """Read UTF-8 of at most 1,000 bytes."""
    if isinstance(value, int) or len(value) > 1000:
        raise BadData(f"{what} must be a text of at most 1000 bytes")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise BadData(f"{what} must be UTF-8: {error}") from error


def _varint(part: memoryview, at: int, what: str) -> tuple[int, int]:
    number = shift = 0
    while at < len(part) and shift < 64:
        octet = part[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number & (2**64 - 1), at
        shift += 7
    raise BadData(f"{what} must be whole, it ends inside a number at byte {at}")


def _decoded(
    octets: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64] | None:
    lengths = ends - starts + 1
    if len(lengths) and lengths.max() > 10:
        return None
    numbers = np.zeros(len(starts), dtype=np.uint64)
    for place in range(int(lengths.max(initial=0))):
        has = lengths > place
        part = octets[starts[has] + place].astype(np.uint64) & np.uint64(0x7F)
        numbers[has] |= part << np.uint64(7 * place)
    return numbers.view(np.int64)
