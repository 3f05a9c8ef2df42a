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
from client.tokens import ClientCredentials, Registration

__all__ = [
    "ApiError",
    "Bearer",
    "BusyError",
    "Client",
    "ClientCredentials",
    "ClientError",
    "CredentialError",
    "DPoP",
    "DamagedError",
    "DownloadError",
    "Registration",
    "Retries",
    "UnexpectedError",
    "UnreachableError",
]
