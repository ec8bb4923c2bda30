"""The vendor's API: one client. Knows no rows, no windows and no destination."""

from metastudio.api.auth import AccessKey, Password, Token
from metastudio.api.client import Client
from metastudio.api.endpoints import Region, find_region, make_base_url
from metastudio.api.rate_limiter import RateLimiter, find_rate_limiter
from metastudio.api.responses import JobsPage
from metastudio.api.retry import Clock, RequestCounters

__all__ = [
    "AccessKey",
    "Client",
    "Clock",
    "JobsPage",
    "Password",
    "RateLimiter",
    "Region",
    "RequestCounters",
    "Token",
    "find_rate_limiter",
    "find_region",
    "make_base_url",
]
