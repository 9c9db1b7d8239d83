"""Protobuf's wire format by the examples of its own documentation, and what is no message."""

import numpy as np
import pytest
from onnx import helper

from kernel_lib.errors import BadData
from kernel_lib.models.wire_format import as_signed, fields, repeated_floats, repeated_ints, text, varints


def read(octets: str) -> list[tuple[int, object]]:
    found = fields(memoryview(bytes.fromhex(octets)), "a message")
    return [(number, value if isinstance(value, int) else bytes(value)) for number, value in found]


def test_the_examples_of_the_documentation() -> None:
    """https://protobuf.dev/programming-guides/encoding/: a simple message, strings, packed numbers, signed ones."""
    assert read("08 96 01") == [(1, 150)]
    assert read("12 07 74 65 73 74 69 6e 67") == [(2, b"testing")]
    ((number, packed),) = read("32 06 03 8e 02 9e a7 05")
    assert number == 6
    assert varints(memoryview(packed), "numbers").tolist() == [3, 270, 86942]  # type: ignore[arg-type]
    ((_, minus_two),) = read("08 fe ff ff ff ff ff ff ff ff 01")
    assert as_signed(minus_two) == -2  # type: ignore[arg-type]


def test_long_rows_of_numbers_are_read_as_protobuf_wrote_them() -> None:
    random = np.random.default_rng(0)
    whole = random.integers(-(2**62), 2**62, 500)
    whole[:4] = [0, 1, 127, 128]
    written = helper.make_attribute("n", whole.tolist()).SerializeToString()
    body = memoryview(written)[3:-3]  # name before, type after
    np.testing.assert_array_equal(repeated_ints(body, 8), whole)
    parts = random.normal(size=100).astype(np.float32)
    written = helper.make_attribute("n", parts.tolist()).SerializeToString()
    np.testing.assert_array_equal(repeated_floats(memoryview(written)[3:-3], 7), parts)


def test_rows_that_are_mixed_with_something_else_are_not_read() -> None:
    assert repeated_ints(memoryview(bytes.fromhex("40 01 48 02")), 8) is None
    assert repeated_ints(memoryview(bytes.fromhex("40 01 40")), 8) is None
    assert repeated_ints(memoryview(bytes.fromhex("40" + "ff" * 11 + "01")), 8) is None
    assert repeated_floats(memoryview(bytes.fromhex("3d 00 00 00")), 7) is None
    assert repeated_ints(memoryview(b""), 8) is None


@pytest.mark.parametrize("octets", ["08", "08 96", "12 07 74", "0b 0c", "0e", "08 " + "ff " * 11, "02 00 00"])
def test_what_is_cut_short_or_no_message_is_refused(octets: str) -> None:
    with pytest.raises(BadData):
        read(octets)


def test_texts_are_short_and_utf_8() -> None:
    assert text(memoryview(b"Gem\xc3\xbcse"), "a name") == "Gemüse"
    for odd in (memoryview(b"\xff"), memoryview(b"a" * 1001), 7):
        with pytest.raises(BadData, match="a name"):
            text(odd, "a name")
