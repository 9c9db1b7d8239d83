"""Train a network with PyTorch so that the same seed gives the same network, on a GPU where there is one.

Weights and the order of batches are drawn on the CPU, and no dropout is used, so that a GPU starts from the same
numbers and differs by rounding alone. Training stops early on the newest part of the rows, purged of outcomes that
were open when it began.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.models.sample import Sample

if TYPE_CHECKING:
    import torch

__all__ = ["Effort", "device", "hold_out_newest", "optimise", "seeded", "where_it_fits"]

T = TypeVar("T")
#: What PyTorch and its libraries name themselves by when a GPU fails; other errors are ours, and go on.
_OF_A_GPU = ("CUDA", "cuda", "cuDNN", "CUDNN", "CUBLAS", "cuBLAS", "NVML", "HIP")


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long to train: ``epochs`` at most, ``patience`` of them without a better loss, ``rate`` of the steps."""

    epochs: int
    patience: int
    rate: float
    batch: int
    decay: float = 1e-3


def device() -> "torch.device":
    """Give the GPU where PyTorch sees one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def where_it_fits(train: "Callable[[torch.device], T]", title: str) -> T:
    """Train on the GPU where there is one; on the CPU, with a warning, where that one fails.

    A GPU that is seen may still have a driver that is broken, no code for its kind, or no memory left beside what
    others hold there. What ``train`` gives must lie on the CPU; the memory that was taken is given back.

    Parameters
    ----------
    train : callable
        Device -> what was trained, from the beginning each time.
    title : str
        For the warning.
    """
    import torch

    place = device()
    if place.type == "cpu":
        return train(place)
    try:
        made = train(place)
    except (RuntimeError, AssertionError) as error:
        failure = str(error).split("\n", 1)[0]
        if not any(word in failure for word in _OF_A_GPU):
            raise
    else:
        _give_back()
        return made
    # Outside of the handler: as long as it runs, the error holds on to the tensors of the attempt.
    _give_back()
    warnings.warn(f"{title} is trained on the CPU: the GPU failed ({failure})", RuntimeWarning, stacklevel=2)
    return train(torch.device("cpu"))


def _give_back() -> None:
    import torch

    # A driver that failed may fail at this too, and then holds no memory of ours.
    with contextlib.suppress(RuntimeError, AssertionError):
        torch.cuda.empty_cache()


@contextlib.contextmanager
def seeded(seed: int, place: "torch.device | None" = None) -> "Iterator[torch.Generator]":
    """Draw from ``seed`` inside, and leave the caller's random numbers, threads and defaults as they were.

    One thread: sums are then added in one order on every machine, and networks of this size are no slower. What the
    caller made PyTorch's default (device, type of numbers, precision of products) does not hold inside.
    """
    import torch

    n_threads, kind, precision = (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
    )
    elsewhere = torch.get_default_device().type != "cpu"
    on_gpu = place is not None and place.type == "cuda"
    with (
        torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []),
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        torch.device("cpu") if elsewhere else contextlib.nullcontext(),
    ):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(n_threads)
            torch.set_default_dtype(kind)
            torch.set_float32_matmul_precision(precision)


def hold_out_newest(sample: Sample, share: float = 0.15) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split the rows to learn from into older ones, purged, and the newest; the newest are empty where rows are few."""
    rows = sample.rows
    n_newest = int(len(rows) * share)
    if n_newest < 10:
        return rows, rows[:0]
    newest = rows[-n_newest:]
    older = rows[:-n_newest]
    return older[sample.ends[older] < newest[0]], newest


def optimise(
    network: "torch.nn.Module",
    loss_of: Callable[["torch.Tensor"], "torch.Tensor"],
    items: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.int64],
    effort: Effort,
    generator: "torch.Generator",
    *,
    progress: bool,
    title: str,
) -> float:
    """Minimise a loss over numbered items and keep the weights that were best on those held out.

    Parameters
    ----------
    network : torch.nn.Module
    loss_of : callable
        Numbers of items -> mean loss.
    items, held_out : ndarray of int
        To train on; to stop by. Without the latter it stops by the training loss.
    effort : Effort
    generator : torch.Generator
        Draws the order.
    progress : bool
    title : str
        Of the bar.

    Returns
    -------
    float
        The best loss.
    """
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=effort.rate, weight_decay=effort.decay)
    best, best_weights, waited = np.inf, _weights(network), 0
    epochs: Any = range(effort.epochs)
    if progress:
        from tqdm.auto import tqdm

        epochs = tqdm(epochs, desc=title, leave=False)
    for _ in epochs:
        network.train()
        order = torch.from_numpy(items)[torch.randperm(len(items), generator=generator)]
        total = 0.0
        for batch in torch.split(order, effort.batch):
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
        score = total / len(items)
        if len(held_out):
            network.eval()
            with torch.no_grad():
                parts = torch.split(torch.from_numpy(held_out), 4 * effort.batch)
                score = sum(float(loss_of(part)) * len(part) for part in parts) / len(held_out)
        if score < best - 1e-5:
            best, best_weights, waited = score, _weights(network), 0
        else:
            waited += 1
            if waited >= effort.patience:
                break
    network.load_state_dict(best_weights)
    network.eval()
    return float(best)


def _weights(network: "torch.nn.Module") -> dict[str, "torch.Tensor"]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
