"""What a studio does: grammar, limits, ledger, scheduling, web. Knows no chat library, no torch."""
