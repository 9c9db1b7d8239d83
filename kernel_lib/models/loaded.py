"""A bundle made ready to answer, one row at a time: what a strategy, the engine and a backtest run.

Only NumPy, msgspec and ONNX Runtime are needed here. Buffers are bound once, so that a row costs a copy and a run; a
batch is the same run row by row, because a matrix product adds in another order than a vector's, and a backtest must
say what the engine will say.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.arrays import numbers
from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.card import Card
from kernel_lib.models.prediction import Prediction
from kernel_lib.models.sample import LARGEST, rows_in_order

__all__ = ["LoadedModel"]

# A row with larger squares may hold a number that is too large: then each is looked at.
_SAFE_SQUARES = LARGEST**2


class LoadedModel:
    """A model that answers rows; its memory, where it has one, goes from row to row.

    Attributes
    ----------
    card : Card
    identity : str
        SHA-256 of the bundle.
    features : tuple of str
        What a row must hold, in order.
    outputs : tuple of str
        What an answer holds, in order.
    warmup : int
        Rows in a row before numbers come.
    """

    comes_from = "what models.load_model(bundle) gives"

    def __init__(self, card: Card, model: bytes, bundle_identity: str) -> None:
        self.card = card
        self.identity = bundle_identity
        self.features = card.names
        self.outputs = card.shape.outputs
        self.warmup = card.warmup_rows
        self._show_row = card.shape.show_row
        self._unknown = (float("nan"),) * len(self.outputs)
        self._row_shape = (len(self.features),)
        self._row = np.zeros((1, len(self.features)), dtype=np.float32)
        self._flat = self._row[0]
        self._columns = np.zeros((1, len(card.shape.columns)), dtype=np.float64)
        self._answer = self._columns[0]
        # Memory is read from one set of buffers and written to the other, then they change places.
        self._states = tuple([np.zeros(shape, dtype=np.float32) for shape in card.states] for _ in range(2))
        self._turn = 0
        self._seen = 0
        self._session = _session(model)
        self._runs = self._bound()
        self._run_once()
        self.reset()

    def predict_row(self, row: npt.NDArray[np.float64]) -> tuple[float, ...]:
        """Answer one row, as :attr:`outputs` names it; the next row of a model with memory comes after this one.

        Parameters
        ----------
        row : ndarray of float64, shape (n_features,)
            In the order of :attr:`features`. With a NaN, an infinite number or one beyond 1e30 the
            answer is NaN throughout, and memory begins anew.
        """
        if row.__class__ is not np.ndarray or row.shape != self._row_shape:
            row = self._checked(row)
        squares = row.dot(row)
        if not squares < _SAFE_SQUARES and not _readable(row):
            self.reset()
            return self._unknown
        self._flat[:] = row
        self._runs[self._turn]()
        if self._states[0]:
            self._turn = 1 - self._turn
            self._seen += 1
            if self._seen < self.warmup:
                return self._unknown
        return self._show_row(self._answer.tolist())

    @declared
    def predict(self, X: Any, *, names: Sequence[str] | None = None, progress: bool = False) -> Prediction:  # noqa: N803
        """Answer many rows from an empty memory, each as :meth:`predict_row` would; the own memory is kept.

        Parameters
        ----------
        X : array_like (n_rows, n_features), mapping of columns, or frame
        names : sequence of str or None
            Names of the columns of a plain array; they must be the features in order.
        progress : bool
            Show a bar.

        Raises
        ------
        BadData
            Other features, another order, or no numbers.
        """
        rows = rows_in_order(X, names, self.features)
        kept = self.state()
        self.reset()
        each: Any = rows
        if progress:
            from tqdm.auto import tqdm

            each = tqdm(rows, desc=self.card.learner, leave=False)
        values = np.array([self.predict_row(row) for row in each], dtype=np.float64)
        self.restore(kept)
        return Prediction(shape=self.card.shape, values=values.reshape(len(rows), len(self.outputs)))

    def reset(self) -> None:
        """Forget the rows so far."""
        self._seen = 0
        for buffer in self._states[self._turn]:
            buffer.fill(0.0)

    def state(self) -> bytes:
        """Give the memory as bytes, for a snapshot."""
        memory = b"".join(each.tobytes() for each in self._states[self._turn])
        return struct.pack("<q", self._seen) + memory

    @declared
    def restore(self, state: bytes) -> None:
        """Take a memory back that :meth:`state` gave.

        Raises
        ------
        BadData
            Another length, or numbers that are not finite.
        """
        buffers = self._states[self._turn]
        expected = 8 + sum(each.nbytes for each in buffers)
        if len(state) != expected:
            raise BadData(f"the memory of this model has {expected} bytes, it was {len(state)}")
        seen = struct.unpack_from("<q", state)[0]
        memory = np.frombuffer(state, dtype=np.float32, offset=8)
        if seen < 0 or not np.isfinite(memory).all():
            raise BadData("the memory of a model must hold finite numbers and a count of rows, it was damaged")
        at = 0
        for buffer in buffers:
            buffer.flat[:] = memory[at : at + buffer.size]
            at += buffer.size
        self._seen = seen

    def __repr__(self) -> str:
        return f"LoadedModel({self.card.learner}, {self.identity[:12]}: {', '.join(self.outputs)})"

    def _checked(self, row: Any) -> npt.NDArray[np.float64]:
        given = numbers(row, "a row")
        if given.shape != self._row_shape:
            raise BadData(f"a row must have the {len(self.features)} features {list(self.features)!r}, its shape was "
                          f"{given.shape}")  # fmt: skip
        return given

    def _bound(self) -> tuple[Any, Any]:
        """Tie the buffers to two runs, one for each direction in which the memory changes places."""
        import onnxruntime  # type: ignore[import-untyped]

        runs = []
        for turn in range(2):
            binding = self._session.io_binding()
            tied: dict[str, npt.NDArray[Any]] = {"row": self._row}
            tied |= {f"state_{k}": each for k, each in enumerate(self._states[turn])}
            for name, buffer in tied.items():
                binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
            made: dict[str, npt.NDArray[Any]] = {"columns": self._columns}
            made |= {f"next_{k}": each for k, each in enumerate(self._states[1 - turn])}
            for name, buffer in made.items():
                binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
            runs.append(_bare_run(self._session, binding))
        return runs[0], runs[1]

    def _run_once(self) -> None:
        """Answer a row of zeros, so that a graph that cannot run fails here and not in a session."""
        from onnxruntime.capi import onnxruntime_pybind11_state as native  # type: ignore[import-untyped]

        try:
            self._columns.fill(np.nan)
            self._runs[0]()
        except _native_errors(native) as error:
            raise BadData(f"a model must answer a row of zeros, it failed: {str(error)[:300]}") from error
        if np.isnan(self._columns).any():
            raise BadData("a model must answer a row of zeros with numbers, there was a NaN")


def _session(model: bytes) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _native_errors(native) as error:
        raise BadData(f"a model must be a graph that ONNX Runtime takes: {str(error)[:300]}") from error


def _native_errors(native: Any) -> tuple[type[Exception], ...]:
    """Name what ONNX Runtime raises; its errors have no common parent of their own."""
    names = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "ModelLoaded", "NoModel",
             "NoSuchFile", "NotImplemented", "RuntimeException")  # fmt: skip
    return (*(getattr(native, name) for name in names if hasattr(native, name)), RuntimeError, ValueError)


def _bare_run(session: Any, binding: Any) -> Any:
    # The public method costs a microsecond and a half more, for options that are never given here.
    native, bound = getattr(session, "_sess", None), getattr(binding, "_iobinding", None)
    if native is None or bound is None:
        return lambda: session.run_with_iobinding(binding)
    run = native.run_with_iobinding
    return lambda: run(bound, None)


def _readable(row: npt.NDArray[np.float64]) -> bool:
    return bool((np.abs(row) <= LARGEST).all())
