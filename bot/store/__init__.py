"""The database: one opener, numbered migrations, the ledger."""
