"""The report as a live page: switch a modality off, exchange it or add noise, and see the new prediction."""
