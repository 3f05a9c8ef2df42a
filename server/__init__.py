"""The HTTP service: the REST contract, live events and downloads over the ledger."""
