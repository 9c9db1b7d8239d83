"""What the compiler is told of the step: which way almost every tick goes, and what always holds.

Neither changes a result: the code of the common tick stands in one piece, and checks that cannot fail are left out.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

__all__ = ["assume", "rarely"]

_BIT = ir.IntType(1)
Typed = tuple[Any, Callable[..., Any]]


def _told(made: Callable[..., Typed]) -> Any:
    return intrinsic(made)


@_told
def rarely(typingctx: Any, condition: Any) -> Typed:
    """Give ``condition``, which hardly ever holds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        expect = builder.module.declare_intrinsic("llvm.expect", [_BIT], ir.FunctionType(_BIT, [_BIT, _BIT]))
        return builder.call(expect, [args[0], ir.Constant(_BIT, 0)])

    return types.boolean(types.boolean), codegen


@_told
def assume(typingctx: Any, condition: Any) -> Typed:
    """Say that ``condition`` holds; nothing checks it, and where it did not, anything could happen."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.assume(args[0])
        return context.get_dummy_value()

    return types.none(types.boolean), codegen
