"""Hosts as requests and settings name them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def named_host(header: str) -> str:
    """Return the host that a Host header names, without its port; nothing when it names none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:  # such as a bracket that nothing closes
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and reached by nobody else."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
