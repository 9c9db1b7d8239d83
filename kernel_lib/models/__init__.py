"""Learners, one per file: each fits a model that predicts with a calibrated confidence and exports to one ONNX file.

``XGBoost().fit(X, labels.direction(close, 12)).bundle()`` is what a passport carries, and what ``load_model`` reads.
Nothing heavy is imported until a learner trains. To add one: a file, and a line here.
"""

from typing import TYPE_CHECKING, Any

from kernel_lib.declared import no_such
from kernel_lib.features.shelf import keep, kept
from kernel_lib.models import labels, splits
from kernel_lib.models.accuracy import LiveAccuracy
from kernel_lib.models.analysis import analyse
from kernel_lib.models.augmentation import judge
from kernel_lib.models.autoencoder_anomaly_detector import AutoencoderAnomalyDetector
from kernel_lib.models.card import Facts
from kernel_lib.models.cnn_pattern_recognizer import CnnPatternRecognizer
from kernel_lib.models.drift import ErrorDrift, feature_drift
from kernel_lib.models.ensemble import Ensemble, average, recent_weights, stack
from kernel_lib.models.explore import explore
from kernel_lib.models.gan_data_augmenter import GanDataAugmenter
from kernel_lib.models.gradient_boosting import GradientBoosting
from kernel_lib.models.isolation_forest import IsolationForest
from kernel_lib.models.kmeans_clustering import KMeansClustering
from kernel_lib.models.learner import Learner
from kernel_lib.models.linear_regression import LinearRegression
from kernel_lib.models.loaded import LoadedModel
from kernel_lib.models.loading import load_model
from kernel_lib.models.logistic_regression import LogisticRegression
from kernel_lib.models.lstm_predictor import LstmPredictor
from kernel_lib.models.model import Model
from kernel_lib.models.predicted import predicted
from kernel_lib.models.random_forest import RandomForest
from kernel_lib.models.retraining import retrain
from kernel_lib.models.space import Choice, Range
from kernel_lib.models.svm import Svm
from kernel_lib.models.transformer_sequence_analyzer import TransformerSequenceAnalyzer
from kernel_lib.models.tuning import tune
from kernel_lib.models.xgboost import XGBoost

__all__ = [
    "CATALOGUE",
    "AutoencoderAnomalyDetector",
    "Choice",
    "CnnPatternRecognizer",
    "Ensemble",
    "ErrorDrift",
    "Facts",
    "GanDataAugmenter",
    "GradientBoosting",
    "IsolationForest",
    "KMeansClustering",
    "Learner",
    "LinearRegression",
    "LiveAccuracy",
    "LoadedModel",
    "LogisticRegression",
    "LstmPredictor",
    "Model",
    "RandomForest",
    "Range",
    "Svm",
    "TransformerSequenceAnalyzer",
    "XGBoost",
    "analyse",
    "average",
    "explore",
    "feature_drift",
    "judge",
    "keep",
    "kept",
    "labels",
    "load_model",
    "predicted",
    "recent_weights",
    "retrain",
    "splits",
    "stack",
    "tune",
]

#: Every learner by name, for help, for checks and for whoever builds one from text.
CATALOGUE: dict[str, type[Learner]] = {
    each.key: each
    for each in (
        RandomForest, XGBoost, Svm, LinearRegression, LogisticRegression, KMeansClustering, IsolationForest,
        GradientBoosting, LstmPredictor, CnnPatternRecognizer, TransformerSequenceAnalyzer, GanDataAugmenter,
        AutoencoderAnomalyDetector,
    )
}  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_such(__name__, name, __all__)


def __dir__() -> list[str]:
    """What a notebook completes: what the package is for, not the files it stands in."""
    return sorted(__all__)
