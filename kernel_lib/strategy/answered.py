"""A decision that answers now an order, now a number: which decisions may, and how numba is told.

A compiled function returns one type. So a decision that names an order function is compiled with one more pass, before
its types are found out, that turns what it returns into an order; a plain number becomes one that says so.
"""

import types as python_types
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import build_definitions, mk_unique_var
from numba.core.untyped_passes import IRProcessing
from numba.extending import overload

from kernel_lib.strategy.orders import NUMBER, EntryOrder, at_limit, at_stop, at_stop_limit, keep

__all__ = ["answers_orders", "compiled_answer"]

_FUNCTIONS = (at_limit, at_stop, at_stop_limit, keep)
_NAMES = frozenset(each.__name__ for each in _FUNCTIONS)


def answers_orders(decide: Callable[..., Any]) -> bool:
    """Say whether a decision names a function that makes an order: by its own name, or by one that is bound to it."""
    code = decide.__code__
    if _named(code):
        return True
    bound = [decide.__globals__.get(name) for name in code.co_names]
    bound += [cell.cell_contents for cell in decide.__closure__ or () if _filled(cell)]
    return any(each is made for each in bound for made in _FUNCTIONS)


def _named(code: python_types.CodeType) -> bool:
    inner = (each for each in code.co_consts if isinstance(each, python_types.CodeType))
    return not _NAMES.isdisjoint((*code.co_names, *code.co_freevars)) or any(_named(each) for each in inner)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def compiled_answer(decide: Callable[..., Any]) -> Any:
    """Give the numba form of a decision, which always returns an :class:`EntryOrder`."""
    return njit(nogil=True, pipeline_class=_AnswersOrders)(decide)


def as_order(answer: Any) -> EntryOrder:
    """Give an order as it is, and a number as an answer of its own type."""
    if isinstance(answer, EntryOrder):
        return answer
    return EntryOrder(float(answer), NUMBER, 0.0, 0.0, 0, -1, -1, -1)


@overload(as_order)
def _as_order(answer):  # type: ignore[no-untyped-def]
    if isinstance(answer, types.BaseNamedTuple):
        return lambda answer: answer
    return lambda answer: EntryOrder(float(answer), NUMBER, 0.0, 0.0, 0, -1, -1, -1)


@register_pass(mutates_CFG=False, analysis_only=False)
class _ReturnOrders(FunctionPass):
    _name = "return_orders"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        found = state.func_ir
        returned = [block.terminator for block in found.blocks.values() if isinstance(block.terminator, ir.Return)]
        joins: set[str] = set()
        for each in returned:
            _join_names(found, each.value, joins)
        for block in found.blocks.values():
            body: list[Any] = []
            for statement in block.body:
                if (isinstance(statement, ir.Assign) and statement.target.name in joins) or isinstance(
                    statement, ir.Return
                ):
                    statement.value = _wrapped(block.scope, statement.value, body)
                body.append(statement)
            block.body = body
        found._definitions = build_definitions(found.blocks)
        return True


def _join_names(found: Any, value: Any, joins: set[str]) -> None:
    """Collect the nameless variables in which the two sides of ``return a if c else b`` meet."""
    for block in found.blocks.values():
        for statement in block.body:
            if not isinstance(statement, ir.Assign) or statement.target.name != value.name:
                continue
            source = statement.value
            if isinstance(source, ir.Expr) and source.op == "cast":
                source = source.value
            elif value.name.startswith("$phi") and isinstance(source, ir.Var):
                joins.add(value.name)
            if isinstance(source, ir.Var) and source.name.startswith("$") and source.name not in joins:
                _join_names(found, source, joins)


def _wrapped(scope: Any, value: Any, body: list[Any]) -> Any:
    """Add ``as_order(value)`` to a block and give what holds it."""
    made, order = (ir.Var(scope, mk_unique_var(name), value.loc) for name in ("$make", "$order"))
    body.append(ir.Assign(ir.Global("as_order", as_order, value.loc), made, value.loc))
    body.append(ir.Assign(ir.Expr.call(made, [value], (), value.loc), order, value.loc))
    return order


class _AnswersOrders(CompilerBase):
    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_ReturnOrders, IRProcessing)
        passes.finalize()
        return [passes]
