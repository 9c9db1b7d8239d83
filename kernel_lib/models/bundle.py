"""A model's bundle: card and ONNX file in one sequence of bytes whose SHA-256 is the model's identity.

msgpack, not zip: a reader never unpacks more than it was given. The same model and facts give the same bytes.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from kernel_lib.errors import BadData
from kernel_lib.models.card import Card

__all__ = [
    "LARGEST_BUNDLE", "Bundle", "EnsembleBundle", "identity", "pack", "pack_ensemble", "unpack", "unpack_ensemble",
]  # fmt: skip

FORMAT = "tickhub-model-1"
ENSEMBLE_FORMAT = "tickhub-ensemble-1"
_MOST_MEMBERS = 32
#: A forest of 500 deep trees is about 40 MiB.
LARGEST_BUNDLE = 64 * 1024**2
_LARGEST_CARD = 4 * 1024**2


class _Packed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    card: bytes
    card_sha256: str
    model: bytes
    model_sha256: str


class Bundle(msgspec.Struct, frozen=True):
    """What was in a bundle."""

    card: Card
    card_json: bytes
    model: bytes


class EnsembleBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members' bundles and their weights."""

    format: str
    members: tuple[bytes, ...]
    weights: tuple[float, ...]
    method: str


def identity(bundle: bytes) -> str:
    """Give the SHA-256 of a bundle, as a passport names it."""
    return hashlib.sha256(bundle).hexdigest()


def pack(model: bytes, card: Card) -> bytes:
    """Join card and ONNX file."""
    text = msgspec.json.format(msgspec.json.encode(card, order="sorted"), indent=1)
    packed = _Packed(FORMAT, text, _digest(text), model, _digest(model))
    return msgspec.msgpack.encode(packed)


def pack_ensemble(members: Sequence[bytes], weights: Sequence[float], method: str) -> bytes:
    """Join members' bundles and their weights."""
    return msgspec.msgpack.encode(EnsembleBundle(ENSEMBLE_FORMAT, tuple(members), tuple(weights), method))


def unpack_ensemble(bundle: bytes) -> EnsembleBundle | None:
    """Take an ensemble's bundle apart; None where it is none. Members are not looked into.

    Raises
    ------
    BadData
        An ensemble without two members and a weight from 0 for each, or larger than :data:`LARGEST_BUNDLE`.
    """
    if not isinstance(bundle, bytes | bytearray | memoryview) or ENSEMBLE_FORMAT.encode() not in bytes(bundle[:64]):
        return None
    if len(bundle) > LARGEST_BUNDLE:
        raise BadData(f"a model bundle must have at most {LARGEST_BUNDLE:,} bytes, it had {len(bundle):,}")
    try:
        packed = msgspec.msgpack.decode(bundle, type=EnsembleBundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(f"an ensemble's bundle must be whole: {error}") from error
    weights = packed.weights
    if packed.format != ENSEMBLE_FORMAT or not 2 <= len(packed.members) == len(weights) <= _MOST_MEMBERS:
        raise BadData(f"an ensemble must have 2 to {_MOST_MEMBERS} members and a weight for each")
    if not all(0.0 <= each <= 1.0 for each in weights) or not abs(sum(weights) - 1.0) < 1e-6:
        raise BadData(f"the weights of an ensemble must be from 0 to 1 and add to 1, they were {weights}")
    return packed


def unpack(bundle: bytes) -> Bundle:
    """Take a bundle apart and check its digests; the ONNX file is not looked into.

    Raises
    ------
    BadData
        Not a bundle, damaged, or larger than :data:`LARGEST_BUNDLE`.
    """
    if not isinstance(bundle, bytes | bytearray | memoryview):
        raise BadData(f"a model bundle must be bytes, it was {type(bundle).__name__}")
    if len(bundle) > LARGEST_BUNDLE:
        raise BadData(f"a model bundle must have at most {LARGEST_BUNDLE:,} bytes, it had {len(bundle):,}")
    try:
        packed = msgspec.msgpack.decode(bundle, type=_Packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(
            f"a model bundle must be one that Tickhub wrote, it was {len(bundle)} other bytes: {error}"
        ) from (error)
    if packed.format != FORMAT:
        raise BadData(f"a model bundle must have the format {FORMAT}, it had {packed.format[:40]!r}")
    if len(packed.card) > _LARGEST_CARD:
        raise BadData(f"a model card must have at most {_LARGEST_CARD:,} bytes, it had {len(packed.card):,}")
    for name, part, digest in (("card", packed.card, packed.card_sha256), ("model", packed.model, packed.model_sha256)):
        if _digest(part) != digest:
            raise BadData(f"the {name} of a bundle must have its own digest, it was changed or damaged")
    try:
        card = msgspec.json.decode(packed.card, type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError, BadData, RecursionError) as error:
        raise BadData(f"a model card must have the fields of this version of Tickhub: {error}") from error
    return Bundle(card, packed.card, packed.model)


def _digest(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()
