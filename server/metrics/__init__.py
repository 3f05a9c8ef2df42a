"""Numbers for Prometheus: what this process counts (`process`, `http`), what the ledger knows (`ledger`), and the page.

docs/architecture.md lists every one of them.
"""
