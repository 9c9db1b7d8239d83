"""The small classifier of headlines that the library carries: bearish, bullish or neutral.

A logistic regression over hashed n-grams, trained by ``python -m kernel_lib.agents.train_news`` and kept as ONNX beside
this file, with its card (data, split, accuracy out of sample against the lexicon alone and the majority). It runs where
headlines come in, never on the tick path.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from kernel_lib.agents.ngrams import counted
from kernel_lib.agents.snapshot import Headline
from kernel_lib.declared import declared
from kernel_lib.errors import BadData

__all__ = ["CLASSES", "FILE", "NewsClassifier", "news_classifier", "scored"]

FILE = "news_classifier.onnx"
#: In the order of the labels 0, 1 and 2.
CLASSES = ("bearish", "bullish", "neutral")


class NewsClassifier:
    """A trained classifier.

    Parameters
    ----------
    model : bytes
        ONNX, as ``train_news`` writes it.

    Attributes
    ----------
    card : dict
        What it was trained on and how good it is.

    Raises
    ------
    BadData
        The file is damaged or of another kind.

    >>> bad, good = map(news_classifier().score, ("Shares plunge after earnings miss", "Stock surges on upgrade"))
    >>> bad < -0.5 < 0.5 < good
    True
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            meta: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
            self.card: dict[str, Any] = msgspec.json.decode(meta["card"].encode())
        except Exception as error:  # onnxruntime raises many kinds, all of them for a file that is not the classifier's
            raise BadData(f"a news classifier must be what train_news writes: {type(error).__name__}") from error

    def probabilities(self, text: str) -> dict[str, float]:
        """Give the probability of each class; one third each for a text without a word."""
        buckets, counts = counted(text)
        if counts[0] == 0.0:
            return dict.fromkeys(CLASSES, 1.0 / 3.0)
        (found,) = self._session.run(None, {"buckets": buckets, "counts": counts})
        return dict(zip(CLASSES, found[0].tolist(), strict=True))

    def score(self, text: str) -> float:
        """Give bullish less bearish, from -1 to 1."""
        found = self.probabilities(text)
        return round(found["bullish"] - found["bearish"], 6)


@lru_cache(maxsize=1)
def news_classifier() -> NewsClassifier:
    """Give the classifier that the library carries; it is read once, as code is."""
    from importlib.resources import files

    return NewsClassifier(files("kernel_lib.agents").joinpath(FILE).read_bytes())


@declared
def scored(headlines: Iterable[Headline], classifier: NewsClassifier | None = None) -> tuple[Headline, ...]:
    """Give the headlines with the classifier's scores; one that has a score keeps it.

    >>> (told,) = scored([Headline(text="Profit soars", known_ns=0)])
    >>> told.score > 0.3
    True
    """
    chosen = classifier or news_classifier()
    return tuple(
        msgspec.structs.replace(each, score=chosen.score(each.text)) if each.score != each.score else each
        for each in headlines
    )
