"""Every agent by name; what a tier opens of them stands in ``kernel_lib/tiers.py`` alone."""

from kernel_lib.agents.adaptation import Adaptation
from kernel_lib.agents.agent import Agent
from kernel_lib.agents.data_quality import DataQuality
from kernel_lib.agents.execution_quality import ExecutionQuality
from kernel_lib.agents.execution_timing import ExecutionTiming
from kernel_lib.agents.fundamental_analysis import FundamentalAnalysis
from kernel_lib.agents.knowledge_synthesis import KnowledgeSynthesis
from kernel_lib.agents.market_analysis import MarketAnalysis
from kernel_lib.agents.model_drift import ModelDrift
from kernel_lib.agents.model_improvement import ModelImprovement
from kernel_lib.agents.news_sentiment import NewsSentiment
from kernel_lib.agents.performance_analysis import PerformanceAnalysis
from kernel_lib.agents.portfolio_optimization import PortfolioOptimization
from kernel_lib.agents.risk_assessment import RiskAssessment
from kernel_lib.agents.strategy_formulation import StrategyFormulation
from kernel_lib.agents.system_health import SystemHealth
from kernel_lib.agents.technical_indicator import TechnicalIndicator

__all__ = ["CATALOGUE"]

#: In the order in which they are asked: research, decision, learning, monitoring. To add one: a file, and a line here.
CATALOGUE: dict[str, type[Agent]] = {
    each.key: each
    for each in (
        MarketAnalysis, NewsSentiment, TechnicalIndicator, FundamentalAnalysis, StrategyFormulation, RiskAssessment,
        PortfolioOptimization, ExecutionTiming, PerformanceAnalysis, ModelImprovement, Adaptation, KnowledgeSynthesis,
        DataQuality, ModelDrift, ExecutionQuality, SystemHealth,
    )
}  # fmt: skip
