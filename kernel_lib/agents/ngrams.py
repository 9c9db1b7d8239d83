"""A headline as counted, hashed n-grams: what the news classifier reads.

Words and pairs of words, and the 3- to 5-letter pieces of words with their edges, each hashed by CRC-32 into 65,536
buckets (the hashing trick, Weinberger and others 2009). No vocabulary is kept, so the model is one table of numbers.
"""

import math
from collections import Counter
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

from kernel_lib.agents.lexicon import WORDS, words_of

__all__ = ["BUCKETS", "counted"]

BUCKETS = 1 << 16
_SHORTEST, _LONGEST = 3, 5
#: Longer texts are no headlines; what follows is not read.
_MOST_WORDS = 200
_LONGEST_WORD = 40


def counted(text: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Give the buckets of a text's n-grams, ascending, and their damped counts ``1 + log(n)``.

    Returns
    -------
    buckets : ndarray of int64, shape (n,)
    counts : ndarray of float32, shape (n,)
        Both of length 1 with a count of 0 for a text without a word.

    >>> buckets, counts = counted("Shares rise")
    >>> len(buckets), float(counts.max())
    (28, 1.0)
    """
    words = [word[:_LONGEST_WORD] for word in words_of(text)[:_MOST_WORDS]]
    grams: Counter[int] = Counter()
    for word in words:
        grams[_bucket(f"w {word}")] += 1
        good = WORDS.get(word)
        if good is not None:
            grams[_bucket(f"l {'good' if good > 0.0 else 'bad'}")] += 1
        edged = f" {word} "
        for length in range(_SHORTEST, _LONGEST + 1):
            for at in range(len(edged) - length + 1):
                grams[_bucket(f"c {edged[at : at + length]}")] += 1
    for one, two in pairwise(words):
        grams[_bucket(f"p {one} {two}")] += 1
    if not grams:
        return np.zeros(1, np.int64), np.zeros(1, np.float32)
    ordered = sorted(grams.items())
    return (
        np.array([bucket for bucket, _ in ordered], np.int64),
        np.array([1.0 + math.log(n) for _, n in ordered], np.float32),
    )


def _bucket(gram: str) -> int:
    return crc32(gram.encode()) % BUCKETS
