"""Joint distributions whose dependency is known exactly, for testing estimators and measures.

No other part of the library uses them: they are a tool for users, and the reference of tests, benchmarks and docs.

Axis legend: n samples, M views, d coordinates of one view, D coordinates of all views side by side. Views are named
"a", "b", "c" and so on. A truth that has no closed form here is ``None``; an infinite one is ``inf``.
"""

from comodal.distributions.discrete import CopiedBits, HalfCube, Independent, XorBits
from comodal.distributions.gaussian_views import GaussianViews
from comodal.distributions.known import KnownDistribution
from comodal.distributions.student import StudentT

__all__ = ["CopiedBits", "GaussianViews", "HalfCube", "Independent", "KnownDistribution", "StudentT", "XorBits"]
