"""A feature from the text of its repr, as a model's card or a passport holds it; nothing is run but the catalogue."""

import ast

from kernel_lib.errors import BadData
from kernel_lib.features.feature import Feature

__all__ = ["from_source"]


def from_source(text: str) -> tuple[Feature, str]:
    """Make a feature again from ``"rsi(14, bars='1h')"``, or one of its outputs: ``"macd(bars='1h').histogram"``.

    Parameters
    ----------
    text : str
        A call of a feature of the catalogue with literal arguments, with or without ``f.`` before it.

    Returns
    -------
    tuple of Feature and str
        The feature, and the name of the output; the first where none is named.

    Raises
    ------
    BadData
        Another text, a feature that does not exist, or an output that it does not have.

    >>> from_source("f.rsi(14, bars='1h')")
    (rsi(window=14, bars='1h'), 'value')
    """
    from kernel_lib.features.catalogue import CATALOGUE

    if len(text) > 2_000:
        raise BadData(f"a feature's text must have at most 2000 characters, it had {len(text)}")
    try:
        node: ast.expr = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadData(f"a feature's text must be one call such as rsi(14, bars='1h'), it was {text!r}") from None
    output = ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
        output, node = node.attr, node.value
    name = _name(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or name not in CATALOGUE:
        raise BadData(f"a feature's text must call a feature of the catalogue, it was {text!r}")
    try:
        literals = [ast.literal_eval(each) for each in node.args]
        named = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
        made = CATALOGUE[name](*literals, **named)
    except (ValueError, TypeError) as error:
        raise BadData(f"{text!r} must have literal arguments that {name} takes: {error}") from None
    if output and output not in made.outputs:
        raise BadData(f"{made!r} gives {', '.join(made.outputs)}, not {output!r}")
    return made, output or made.outputs[0]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("f", "features"):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
