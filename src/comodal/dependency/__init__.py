"""Dependency between representations: bounds, critics, measures and the penalty made of them."""

from comodal.dependency.between import BETWEEN, views_of
from comodal.dependency.bounds import BOUNDS, Bound
from comodal.dependency.catalog import MEASURES, MeasureSpec, measure_spec
from comodal.dependency.critics import CRITICS, Critic, JointCritic, QuadraticCritic, SeparableCritic, SumCritic
from comodal.dependency.measures import NORMALIZATIONS, DependencyMeasure
from comodal.dependency.penalty import DependencyPenalty
from comodal.dependency.schedules import ConstantWeight, CosineWarmup, LinearWarmup

__all__ = [
    "BETWEEN",
    "BOUNDS",
    "CRITICS",
    "MEASURES",
    "NORMALIZATIONS",
    "Bound",
    "ConstantWeight",
    "CosineWarmup",
    "Critic",
    "DependencyMeasure",
    "DependencyPenalty",
    "JointCritic",
    "LinearWarmup",
    "MeasureSpec",
    "QuadraticCritic",
    "SeparableCritic",
    "SumCritic",
    "measure_spec",
    "views_of",
]
