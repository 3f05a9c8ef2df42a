"""A typed client of the Export Center's REST API: ``Client`` submits runs, follows them and fetches their bundles."""

from client.bearer import Bearer
from client.client import Client
from client.dpop import DPoP
from client.errors import (
    ApiError,
    BusyError,
    ClientError,
    CredentialError,
    DamagedError,
    DownloadError,
    UnexpectedError,
    UnreachableError,
)
from client.retries import Retries

__all__ = [
    "ApiError",
    "Bearer",
    "BusyError",
    "Client",
    "ClientError",
    "CredentialError",
    "DPoP",
    "DamagedError",
    "DownloadError",
    "Retries",
    "UnexpectedError",
    "UnreachableError",
]
