"""The vendor's API: addresses, credentials, pace and one client. Knows no rows, no windows, no destination."""

from metastudio.api.answers import Answer
from metastudio.api.auth import AccessKey, Password, Token
from metastudio.api.client import Client
from metastudio.api.pace import Governor, find_governor
from metastudio.api.patience import Timing
from metastudio.api.regions import Region, find_region, make_base_url

__all__ = [
    "AccessKey",
    "Answer",
    "Client",
    "Governor",
    "Password",
    "Region",
    "Timing",
    "Token",
    "find_governor",
    "find_region",
    "make_base_url",
]
