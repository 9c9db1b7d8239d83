"""The lexicon, the carried classifier, and what they reach on sentences that were never trained on."""

import math
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx.reference
import pytest

from kernel_lib import agents
from kernel_lib.agents import Headline, sentiment
from kernel_lib.agents.lexicon import WORDS, words_of
from kernel_lib.agents.news_classifier import CLASSES, FILE, NewsClassifier, news_classifier, scored
from kernel_lib.agents.ngrams import BUCKETS, counted
from kernel_lib.agents.train_news import held_out, lexicon_label, read_labelled, train
from kernel_lib.errors import BadData

SHIPPED = Path(str(agents.__file__)).parent / FILE


@pytest.fixture(scope="module")
def labelled(data_dir: Path) -> tuple[list[str], np.ndarray]:
    return read_labelled((data_dir / "news" / "twitter_financial_news_sent_train.csv").read_bytes())


def test_a_negation_turns_a_word_and_reaches_three_words() -> None:
    assert sentiment("growth") == pytest.approx(math.tanh(0.35))
    assert sentiment("no growth") == pytest.approx(math.tanh(-0.7 * 0.35))
    assert sentiment("no sign of growth") == pytest.approx(math.tanh(-0.7 * 0.35))
    assert sentiment("not now but after some months growth") > 0
    assert sentiment("sharply lower") < sentiment("lower") < sentiment("slightly lower") < 0


def test_every_word_of_the_lexicon_is_one_word_with_a_weight() -> None:
    assert len(WORDS) > 250
    for word, weight in WORDS.items():
        assert words_of(word) == [word]
        assert 0.0 < abs(weight) <= 1.0


@pytest.mark.parametrize("text", ["", "   ", "https://t.co/x", "@someone", "\u0000\ud83d\ude80", "!" * 10_000])
def test_a_text_without_words_says_nothing(text: str) -> None:
    assert sentiment(text) == 0.0
    assert news_classifier().score(text) == 0.0


def test_a_huge_or_strange_text_is_read_within_bounds() -> None:
    buckets, counts = counted("x" * 1_000_000 + " surge" * 100_000)
    assert len(buckets) < 1_000
    assert np.isfinite(counts).all()
    assert (buckets >= 0).all()
    assert (buckets < BUCKETS).all()
    assert (np.diff(buckets) > 0).all()
    assert -1.0 <= news_classifier().score("surge " * 100_000) <= 1.0


def test_the_carried_file_says_what_onnx_own_reference_says() -> None:
    reference = onnx.reference.ReferenceEvaluator(onnx.load_model_from_string(SHIPPED.read_bytes()))
    for text in (
        "Shares surge on record profit",
        "Fed holds rates",
        "Retailer goes bankrupt, stock plunges 40%",
    ):
        buckets, counts = counted(text)
        (expected,) = reference.run(None, {"buckets": buckets, "counts": counts})
        ours = news_classifier().probabilities(text)
        assert list(ours) == list(CLASSES)
        np.testing.assert_allclose(list(ours.values()), expected[0], atol=1e-6)


def test_the_carried_file_is_small_and_has_a_card() -> None:
    assert SHIPPED.stat().st_size < 2 * 1024**2
    card = news_classifier().card
    assert card["classes"] == list(CLASSES)
    assert len(card["data_sha256"]) == 64


def test_what_the_card_says_of_unseen_sentences_holds(labelled: tuple[list[str], np.ndarray]) -> None:
    texts, labels = labelled
    aside = held_out(texts)
    unseen = [text for text, out in zip(texts, aside, strict=True) if out]
    truth = labels[aside]
    said = np.array([list(news_classifier().probabilities(text).values()) for text in unseen]).argmax(axis=1)
    by_lexicon = np.array([lexicon_label(text) for text in unseen])
    card = news_classifier().card["out_of_sample"]
    accuracy, lexicon, majority = ((said == truth).mean(), (by_lexicon == truth).mean(), (truth == 2).mean())
    assert round(float(accuracy), 4) == card["accuracy"]
    assert round(float(lexicon), 4) == card["lexicon_accuracy"]
    assert round(float(majority), 4) == card["majority_accuracy"]
    assert accuracy > lexicon + 0.05 > majority + 0.1


def test_training_is_deterministic_and_leaves_the_held_out_texts_alone(labelled: tuple[list[str], np.ndarray]) -> None:
    texts, labels = labelled[0][::15], labelled[1][::15]
    aside = held_out(texts)
    first = train(texts, labels)
    assert train(texts, labels) == first
    turned = labels.copy()
    turned[aside] = (turned[aside] + 1) % 3
    one, other = NewsClassifier(first), NewsClassifier(train(texts, turned))
    for text in texts[:50]:
        assert other.probabilities(text) == one.probabilities(text)


def test_headlines_get_scores_once() -> None:
    new, judged = (Headline(text="Profit soars", known_ns=5, score=score) for score in (math.nan, 0.1))
    first, second = scored([new, judged])
    assert first == msgspec.structs.replace(new, score=news_classifier().score("Profit soars"))
    assert second is judged


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\x08"])
def test_a_damaged_classifier_is_refused(content: bytes) -> None:
    with pytest.raises(BadData, match="news classifier"):
        NewsClassifier(content)
    with pytest.raises(BadData, match="news classifier"):
        NewsClassifier(SHIPPED.read_bytes()[:-1000])


def test_wrong_labels_are_named_by_line() -> None:
    with pytest.raises(BadData, match=r"labelled news:3: a label must be 0"):
        read_labelled(b"text,label\na,1\nb,7\n")
    with pytest.raises(BadData, match="columns"):
        read_labelled(b"words,side\na,1\n")
