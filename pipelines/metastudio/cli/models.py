"""The text of `metastudio models`."""

from __future__ import annotations

from metastudio.cli.log import is_quiet
from metastudio.commands.models import ModelsResult


def describe_models(result: ModelsResult) -> str:
    """Describe where the models are, and which tests warn."""
    lines = [f"Warning: {warning}" for warning in result.details["warned"]]
    if result.error is None and not is_quiet():
        passed = result.details["passed"]
        lines.insert(0, f"The reporting models are built in {result.dataset}; {passed} tests passed.")
    return "\n".join(lines)
