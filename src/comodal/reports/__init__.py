"""Results as tables on the screen and as Markdown, LaTeX, CSV and JSON files."""

from comodal.reports.breakdown_report import write_breakdown
from comodal.reports.comparison_report import print_comparison, read_summary, write_summary
from comodal.reports.long_csv import csv_text
from comodal.reports.robustness_report import print_robustness, read_robustness, write_robustness

__all__ = [
    "csv_text",
    "print_comparison",
    "print_robustness",
    "read_robustness",
    "read_summary",
    "write_breakdown",
    "write_robustness",
    "write_summary",
]
