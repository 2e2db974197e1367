"""Results as tables: on the screen, and as Markdown, CSV and JSON files."""

from comodal.reports.files import csv_text, read_summary, write_summary
from comodal.reports.markdown import markdown_table
from comodal.reports.terminal import print_comparison, terminal_table
from comodal.reports.wide import PRIMARY_METRICS

__all__ = [
    "PRIMARY_METRICS",
    "csv_text",
    "markdown_table",
    "print_comparison",
    "read_summary",
    "terminal_table",
    "write_summary",
]
