"""What several commands ask for alike: a strategy by name or file, and settings as name=value."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kernel_lib.errors import BadData, Misconfigured

if TYPE_CHECKING:
    from kernel_lib.strategy import Strategy

__all__ = ["choose_strategy", "echo_json", "parse_settings"]


def choose_strategy(named: str) -> "Strategy":
    """Find a reference strategy by name, or run ``path.py:name`` of the caller's own.

    Raises
    ------
    BadData
        No such strategy or file; the message lists what there is.
    """
    from kernel_lib.strategies import CATALOGUE
    from kernel_lib.strategy import load_strategy

    if named in CATALOGUE:
        return CATALOGUE[named]
    file, colon, entry = named.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise BadData(f"a strategy is one of {', '.join(sorted(CATALOGUE))}, or path.py:name; it was {named!r}")
    path = Path(file)
    if not path.is_file():
        raise BadData(f"there is no file {file!r}")
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadData(f"a strategy's file must be UTF-8 text: {error}", source=file) from error
    return load_strategy(source, entry, filename=str(path))


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Turn ``("fast=20", "low=25.5")`` into numbers by name."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            if not equals:
                raise ValueError
            number = float(text)
        except ValueError:
            raise Misconfigured(f"--set takes name=number, such as --set fast=20; it was {setting!r}") from None
        parsed[name.strip()] = int(number) if number.is_integer() and "." not in text and "e" not in text else number
    return parsed


def echo_json(answer: object) -> None:
    """Print one JSON object; a number that is none becomes null."""
    import json
    import math

    def clean(each: object) -> object:
        if isinstance(each, dict):
            return {key: clean(inner) for key, inner in each.items()}
        if isinstance(each, list | tuple):
            return [clean(inner) for inner in each]
        if isinstance(each, float) and not math.isfinite(each):
            return None
        return each.item() if hasattr(each, "item") else each

    click.echo(json.dumps(clean(answer), allow_nan=False))
