"""Opens one run of the extraction over a tenant's API, in the background, as a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from .api.client import Client
from .background import Background
from .destination import AskedKnown, Destination
from .extraction.backfill import backfill, is_backfilled
from .extraction.protocol import Chunk, Run, State
from .extraction.sync import sync
from .fetching import make_fetch, open_client
from .settings import Tenant

Steps = Callable[[Run], AsyncIterator[Chunk]]


class Reader(Background[Chunk]):
    """The chunks of one run; `client` tells what it took, once the first chunk is there."""

    def __init__(self, tenant: Tenant, destination: Destination, steps: Steps) -> None:
        self.client: Client | None = None

        async def stream(background: Background[Chunk]) -> AsyncIterator[Chunk]:
            async with open_client(tenant) as client:
                self.client = client
                run = Run(make_fetch(client, tenant), AskedKnown(background, destination), tenant.limits)
                async for chunk in steps(run):
                    yield chunk

        super().__init__(stream)


def read_step(tenant: Tenant, state: State, destination: Destination) -> Reader:
    """Read what one load package can hold: the backfill, or once that is committed what changed after."""

    def steps(run: Run) -> AsyncIterator[Chunk]:
        return sync(run, state) if is_backfilled(state, run) else backfill(run, state)

    return Reader(tenant, destination, steps)
