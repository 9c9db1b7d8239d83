"""Trains the news classifier: ``python -m kernel_lib.agents.train_news --data twitter_financial_news_sent_train.csv``.

Rows ``text,label`` with 0 bearish, 1 bullish, 2 neutral. Every fifth text by its CRC-32 is held out and never trained
on, so that anyone with the data can check the figures on the card of the file that is shipped.
"""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any
from zlib import crc32

import click
import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.agents.lexicon import sentiment
from kernel_lib.agents.news_classifier import CLASSES, FILE, NewsClassifier
from kernel_lib.agents.ngrams import BUCKETS, counted
from kernel_lib.errors import BadData

__all__ = ["held_out", "lexicon_label", "main", "read_labelled", "train"]

_EVERY = 5
#: Beyond it the lexicon takes a side; chosen on the training texts.
_LEXICON_SIDE = 0.2
_STRENGTH = 30.0


def read_labelled(content: bytes) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Read ``text,label`` rows.

    Raises
    ------
    BadData
        No such columns, or a label that is not 0, 1 or 2.

    >>> read_labelled(b"text,label\\nit rises,1\\n")[0]
    ['it rises']
    """
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    if not rows or not {"text", "label"} <= set(rows[0]):
        raise BadData("labelled news must have the columns text and label")
    wrong = next((line for line, row in enumerate(rows, 2) if row["label"] not in ("0", "1", "2")), None)
    if wrong is not None:
        raise BadData("a label must be 0 (bearish), 1 (bullish) or 2 (neutral)", source="labelled news", line=wrong)
    return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows])


def held_out(texts: list[str]) -> npt.NDArray[np.bool_]:
    """Say which texts are held out: those whose CRC-32 is divisible by five."""
    return np.array([crc32(text.encode()) % _EVERY == 0 for text in texts])


def lexicon_label(text: str) -> int:
    """Give the label that the lexicon alone would give."""
    score = sentiment(text)
    return 1 if score > _LEXICON_SIDE else 0 if score < -_LEXICON_SIDE else 2


def train(texts: list[str], labels: npt.NDArray[np.int64], *, data_sha256: str = "") -> bytes:
    """Train on what is not held out, and give the ONNX file with its card.

    Inverse document frequencies as scikit-learn smooths them, ``1 + log((1 + n) / (1 + df))``; rows of unit length; a
    multinomial logistic regression with an L2 penalty of 1 / 30.
    """
    import sklearn
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    aside = held_out(texts)
    pairs = [counted(text) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in pairs)])
    counts = csr_matrix(
        (np.concatenate([each for _, each in pairs]), np.concatenate([each for each, _ in pairs]), ends),
        shape=(len(texts), BUCKETS), dtype=np.float64,
    )  # fmt: skip
    frequency = np.asarray((counts[~aside] > 0).sum(axis=0)).ravel()
    idf = 1.0 + np.log((1.0 + (~aside).sum()) / (1.0 + frequency))
    weighed = counts.multiply(idf).tocsr()
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    rows = weighed.multiply(1.0 / np.maximum(lengths, 1e-12)[:, None]).tocsr()
    # Buckets that no training text has keep a weight of 0. One thread: sums do not vary with the number of cores.
    used = np.flatnonzero(frequency)
    rows = rows[:, used]
    with threadpool_limits(1):
        fitted = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(rows[~aside], labels[~aside])
    if fitted.classes_.tolist() != [0, 1, 2]:
        raise BadData(f"all three labels must be in the training texts, there were {fitted.classes_.tolist()}")
    card: dict[str, Any] = {
        "data_sha256": data_sha256, "texts": len(texts), "held_out": int(aside.sum()), "classes": CLASSES,
        "buckets": BUCKETS, "split": f"held out: CRC-32 of the text divisible by {_EVERY}",
        "libraries": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    }  # fmt: skip
    coefficients = np.zeros((3, BUCKETS))
    coefficients[:, used] = fitted.coef_
    plain = _onnx(idf, coefficients, fitted.intercept_, card)
    classifier = NewsClassifier(plain)
    truth = labels[aside]
    aside_texts = [text for text, out in zip(texts, aside, strict=True) if out]
    found = np.array([list(classifier.probabilities(text).values()) for text in aside_texts])
    apart = float(np.abs(found - fitted.predict_proba(rows[aside]))[lengths[aside] > 0.0].max())
    if apart > 1e-4:
        raise BadData(f"the exported classifier must say what the trained one says, they were {apart:g} apart")
    by_lexicon = np.array([lexicon_label(text) for text in aside_texts])
    said = found.argmax(axis=1)
    card["out_of_sample"] = {
        "accuracy": _rounded(said == truth),
        "lexicon_accuracy": _rounded(by_lexicon == truth),
        "majority_accuracy": _rounded(truth == np.bincount(labels[~aside]).argmax()),
        "recall": {name: _rounded(said[truth == k] == k) for k, name in enumerate(CLASSES)},
        "lexicon_recall": {name: _rounded(by_lexicon[truth == k] == k) for k, name in enumerate(CLASSES)},
        "log_loss": round(float(-np.log(found[np.arange(len(truth)), truth]).mean()), 4),
    }
    return _onnx(idf, coefficients, fitted.intercept_, card)


def _rounded(hits: npt.NDArray[np.bool_]) -> float:
    return round(float(hits.mean()), 4)


def _onnx(idf: Any, coefficients: Any, intercept: Any, card: dict[str, Any]) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    constants = {
        "idf": idf.astype(np.float32),
        "weights": np.ascontiguousarray(coefficients.T.astype(np.float32)),
        "intercept": intercept.astype(np.float32)[None, :],
        "first": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["idf", "buckets"], ["rarity"]),
        helper.make_node("Mul", ["counts", "rarity"], ["weighed"]),
        helper.make_node("ReduceL2", ["weighed"], ["length"], keepdims=1),
        helper.make_node("Div", ["weighed", "length"], ["unit"]),
        helper.make_node("Unsqueeze", ["unit", "first"], ["row"]),
        helper.make_node("Gather", ["weights", "buckets"], ["table"]),
        helper.make_node("MatMul", ["row", "table"], ["pulls"]),
        helper.make_node("Add", ["pulls", "intercept"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "news_classifier",
        [helper.make_tensor_value_info("buckets", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"card": msgspec.json.encode(card, order="sorted").decode()})
    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@click.command()
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).parent / FILE)
def main(data: Path, out: Path) -> None:
    """Train on the labelled texts, write the classifier, and show its card."""
    content = data.read_bytes()
    model = train(*read_labelled(content), data_sha256=hashlib.sha256(content).hexdigest())
    out.write_bytes(model)
    click.echo(msgspec.json.format(msgspec.json.encode(NewsClassifier(model).card)).decode())
    click.echo(f"{out}: {len(model)} bytes")


if __name__ == "__main__":
    main()
