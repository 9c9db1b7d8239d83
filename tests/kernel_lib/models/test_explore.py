"""The panel on a model says what the model says."""

import numpy as np
import pytest

from kernel_lib.errors import BadData
from kernel_lib.models.explore import explore
from tests.checks.test_every_learner import CASES, IDS, NAMES, fitted, market


@pytest.mark.parametrize(("key", "kind"), CASES, ids=IDS)
def test_turning_features_asks_the_model(key: str, kind: str) -> None:
    model = fitted(key, kind)
    panel = explore(model)
    lowest = {note.name: note.lowest for note in model.card.features}
    answer = panel.turn(lowest)
    warmup = model.card.warmup_rows
    expected = model.predict(np.repeat([list(lowest.values())], warmup, axis=0)).values[-1]
    assert list(answer) == list(model.outputs)
    np.testing.assert_array_equal(list(answer.values()), expected)


def test_a_recorded_row_sets_all_sliders() -> None:
    _, rows = market()
    model = fitted("logistic_regression", "direction")
    panel = explore(model, dict(zip(NAMES, rows.T, strict=True)))
    first = model.predict(rows[5:6]).values[0]  # the first five warm up
    np.testing.assert_allclose(list(panel.answer.values()), first, atol=1e-5)
    image = bytes(panel.panel.children[1].children[2].value)
    panel.panel.children[0].children[0].value = 100
    np.testing.assert_allclose(list(panel.answer.values()), model.predict(rows[105:106]).values[0], atol=1e-5)
    assert bytes(panel.panel.children[1].children[2].value) != image
    assert bytes(image).startswith(b"\x89PNG")


def test_what_is_no_feature_or_no_row_is_refused() -> None:
    model = fitted("logistic_regression", "direction")
    with pytest.raises(BadData, match="none of them"):
        explore(model).turn({"weather": 1.0})
    with pytest.raises(BadData, match="complete rows"):
        explore(model, np.full((4, 3), np.nan))
    with pytest.raises(BadData, match="3 features"):
        explore(model, np.zeros((4, 2)))
