"""The append-only log, the state folded from it, transactions, watch and history."""
