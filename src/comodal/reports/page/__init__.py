"""A self-contained HTML report of a run or comparison, and its figures as files for papers."""

from comodal.reports.page.render import render_page
from comodal.reports.page.static import write_figures

__all__ = ["render_page", "write_figures"]
