"""A model's file: what is in it, that it is the same each time, and that a damaged or hostile one is refused."""

import hashlib
import re

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kernel_lib.errors import BadData, Refused
from kernel_lib.models.bundle import LARGEST_BUNDLE, identity, pack, unpack
from kernel_lib.models.loading import load_model
from kernel_lib.models.onnx_graph import ML_DOMAIN
from tests.checks.test_every_learner import bundled, fitted, market

PLAIN = ("logistic_regression", "direction")
TREES = ("xgboost", "direction")


def changed(case: tuple[str, str], change: object) -> bytes:
    """A bundle whose ONNX file was changed, with digests that fit."""
    parts = unpack(bundled(*case))
    model = onnx.load_from_string(parts.model)
    change(model)  # type: ignore[operator]
    return pack(model.SerializeToString(), parts.card)


def test_the_card_says_what_was_learned_from_what() -> None:
    close, rows = market()
    card = unpack(bundled(*PLAIN)).card
    assert (card.learner, card.label, card.horizon_rows, card.seed) == ("logistic_regression", "direction(2)", 2, 5)
    assert (card.trained_rows, card.dropped_rows) == (293, 7)  # 300 rows, 5 warm up, the last 2 have no outcome yet
    change = rows[5:298, 0].astype(np.float32)
    assert (card.features[0].lowest, card.features[0].highest) == (change.min(), change.max())
    assert card.features[0].dtype == "float32"
    assert sum(card.features[0].shares) == pytest.approx(1.0)
    whole = rows[:300].astype(np.float32).astype("<f8")
    assert card.features_sha256 == hashlib.sha256(b"(300, 3)" + whole.tobytes()).hexdigest()
    assert {"python", "numpy", "tickhub", "scikit-learn"} <= set(card.versions)
    assert card.parameters["strength"] == 0.1
    assert len(close) == 360


def test_a_card_shows_itself() -> None:
    card = fitted(*PLAIN).card
    assert "accuracy" in repr(card)
    assert "<table>" in card._repr_html_()


def test_the_identity_is_the_digest_of_the_bytes() -> None:
    assert identity(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_no_path_of_a_machine_is_in_a_bundle() -> None:
    for case in (PLAIN, TREES, ("lstm_predictor", "outlook"), ("transformer_sequence_analyzer", "direction")):
        assert re.search(rb"/[a-z_]{3,}/[a-z_]{3,}|\.py\b", unpack(bundled(*case)).model) is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_bundle_cut_short_is_refused(share: float) -> None:
    whole = bundled(*PLAIN)
    with pytest.raises(BadData):
        load_model(whole[: int(len(whole) * share)])


def test_a_bundle_with_one_other_byte_is_refused_wherever_it_stands() -> None:
    whole = bundled(*PLAIN)
    for at in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        with pytest.raises(BadData):
            load_model(bytes(damaged))


def test_what_is_no_bundle_is_refused() -> None:
    for odd in (b"", b"\x80\x04\x95", b"PK\x03\x04", unpack(bundled(*PLAIN)).model, msgspec.msgpack.encode([1])):
        with pytest.raises(BadData, match="bundle"):
            load_model(odd)
    with pytest.raises(BadData, match="must be bytes"):
        load_model("model.pkl")  # type: ignore[arg-type]


def test_a_bundle_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(BadData, match="at most"):
        load_model(bytes(LARGEST_BUNDLE + 1))


def test_a_card_that_says_something_else_than_the_model_is_refused() -> None:
    parts = unpack(bundled(*PLAIN))
    fewer = msgspec.structs.replace(parts.card, features=parts.card.features[:2])
    with pytest.raises(BadData, match="those of its card"):
        load_model(pack(parts.model, fewer))
    vast = msgspec.structs.replace(parts.card, states=((2**20, 2**20),))
    with pytest.raises(BadData, match="memory"):
        load_model(pack(parts.model, vast))
    odd = msgspec.structs.replace(parts.card, shape=msgspec.structs.replace(parts.card.shape, classes=(1, -1)))
    with pytest.raises(BadData, match="directions"):
        load_model(pack(parts.model, odd))


def external(model: onnx.ModelProto) -> None:
    kept = model.graph.initializer[0]
    kept.ClearField("raw_data")
    kept.data_location = TensorProto.EXTERNAL
    entry = kept.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def foreign(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node[0].domain = "com.example"


def endless(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def branching(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("extra", branch))


def functions(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("evil", "Sub", ["x"], ["y"], [helper.make_node("Abs", ["x"], ["y"])],
                             [helper.make_opsetid("", 18)])
    )  # fmt: skip


def random(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("RandomNormal", [], ["noise"], shape=[2**20, 2**20]))


def filled(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("ConstantOfShape", ["c_1"], ["vast"]))


def versioned(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def many(model: onnx.ModelProto) -> None:
    for k in range(2001):
        model.graph.node.append(helper.make_node("Abs", ["row"], [f"abs_{k}"]))


def sparse(model: onnx.ModelProto) -> None:
    made = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [0]),
        [9],
    )
    model.graph.sparse_initializer.append(made)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (external, "model_external"), (foreign, "model_opset"),
        (endless, "model_operator"), (branching, "model_operator"),
        (functions, "model_operator"), (random, "model_operator"),
        (filled, "model_operator"), (versioned, "model_opset"),
        (many, "model_size"), (sparse, "model_operator"),
    ],
)  # fmt: skip
def test_a_hostile_model_is_refused_with_a_code(change: object, code: str) -> None:
    with pytest.raises(Refused) as refused:
        load_model(changed(PLAIN, change))
    assert refused.value.code == code


def lying(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [2**30]


def negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-1]


def worded(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.STRING, [1], [b"x"]))


def renamed(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "line"


def unknown(model: onnx.ModelProto) -> None:
    last = model.graph.node[-1]
    made = numpy_helper.from_array(np.full((1, 2), np.nan), "nothing")
    model.graph.initializer.append(made)
    last.input[0] = "nothing"


def mismatched(model: onnx.ModelProto) -> None:
    first = next(each for each in model.graph.initializer if len(each.dims) == 2 and each.dims[0] == 3)
    first.CopyFrom(numpy_helper.from_array(np.zeros((7, 2)), first.name))


@pytest.mark.parametrize("change", [lying, negative, worded, renamed, unknown, mismatched])
def test_a_model_that_cannot_be_right_is_bad_data(change: object) -> None:
    with pytest.raises(BadData):
        load_model(changed(PLAIN, change))


def numbers(model: onnx.ModelProto, name: str) -> list[int]:
    tree = next(each for each in model.graph.node if each.domain == ML_DOMAIN)
    return next(each for each in tree.attribute if each.name == name).ints  # type: ignore[no-any-return]


def first_branch(model: onnx.ModelProto) -> int:
    tree = next(each for each in model.graph.node if each.domain == ML_DOMAIN)
    modes = next(each for each in tree.attribute if each.name == "nodes_modes").strings
    return next(k for k, mode in enumerate(modes) if mode != b"LEAF")


def ring(model: onnx.ModelProto) -> None:
    at = first_branch(model)
    numbers(model, "nodes_truenodeids")[at] = numbers(model, "nodes_nodeids")[at]


def shared(model: onnx.ModelProto) -> None:
    at = first_branch(model)
    numbers(model, "nodes_truenodeids")[at] = numbers(model, "nodes_falsenodeids")[at]


def orphan(model: onnx.ModelProto) -> None:
    numbers(model, "nodes_truenodeids")[first_branch(model)] = 99_999


def blind(model: onnx.ModelProto) -> None:
    numbers(model, "nodes_featureids")[first_branch(model)] = 3


def beside(model: onnx.ModelProto) -> None:
    numbers(model, "class_ids")[0] = 64


def on_a_branch(model: onnx.ModelProto) -> None:
    at = first_branch(model)
    numbers(model, "class_nodeids")[0] = numbers(model, "nodes_nodeids")[at]


def uneven(model: onnx.ModelProto) -> None:
    numbers(model, "nodes_featureids").pop()


def boundless(model: onnx.ModelProto) -> None:
    tree = next(each for each in model.graph.node if each.domain == ML_DOMAIN)
    next(each for each in tree.attribute if each.name == "nodes_values").floats[first_branch(model)] = np.nan


@pytest.mark.parametrize("change", [ring, shared, orphan, blind, beside, on_a_branch, uneven, boundless])
def test_trees_that_are_none_are_bad_data(change: object) -> None:
    with pytest.raises(BadData, match=r"tree|leaves|weights|node"):
        load_model(changed(TREES, change))


def test_bytes_changed_at_random_never_do_anything_but_load_or_be_refused() -> None:
    random_ = np.random.default_rng(1)
    _, rows = market()
    n_refused = 0
    for case in (PLAIN, TREES, ("isolation_forest", ""), ("lstm_predictor", "outlook")):
        parts = unpack(bundled(*case))
        for _ in range(60):
            damaged = bytearray(parts.model)
            for at in random_.integers(0, len(damaged), 3):
                damaged[at] = random_.integers(256)
            try:
                load_model(pack(bytes(damaged), parts.card)).predict(rows[5:9])
            except (BadData, Refused):
                n_refused += 1
    assert n_refused > 60


def turned(model: onnx.ModelProto) -> None:
    """Two columns of 200 kB whose sum, one of them turned, would be 5 GB."""
    for name, shape in (("tall", (25_000, 1)), ("wide", (1, 25_000))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape), name))
    model.graph.node.insert(0, helper.make_node("Add", ["tall", "wide"], ["vast"]))


def multiplied(model: onnx.ModelProto) -> None:
    for name, shape in (("tall", (25_000, 1)), ("wide", (1, 25_000))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape), name))
    model.graph.node.insert(0, helper.make_node("MatMul", ["tall", "wide"], ["vast"]))


def reshaped_by_a_row(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Cast", ["row"], ["sizes"], to=TensorProto.INT64))
    model.graph.node.insert(1, helper.make_node("Reshape", ["row", "sizes"], ["other"]))


def backwards(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])


@pytest.mark.parametrize(
    ("change", "says"),
    [(turned, "at most"), (multiplied, "at most"), (reshaped_by_a_row, "constant"), (backwards, "in order")],
)
def test_a_graph_that_would_grow_beyond_a_row_is_refused_before_it_runs(change: object, says: str) -> None:
    with pytest.raises(BadData, match=says):
        load_model(changed(PLAIN, change))
