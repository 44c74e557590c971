"""Riffbot: what a studio does — grammar, limits, ledger, scheduling, web. Imports no chat library and no torch."""
