"""The report as a live page: switch a modality off, exchange it or add noise, and see at once what changes."""
