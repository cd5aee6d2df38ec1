"""The shortest way from a request to what takes its events in.

FastAPI finds a path by trying one pattern after the other and calls its function through layers of features; that costs
more than the event. Paths without a parameter are looked up here instead. They stay declared as FastAPI's routes, which
document them and answer every other method.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ingestion.collector.door import Door

Endpoint = Callable[[Request, Door], Awaitable[Response]]


class Receiving(BaseRoute):
    """Stands before the routes of an application and takes what is posted to theirs."""

    def __init__(self, routes: Iterable[APIRoute], door: Door) -> None:
        self._by_path = {
            route.path: route for route in routes if not route.param_convertors
        }
        self._door = door

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] != "POST":
            return Match.NONE, {}
        route = self._by_path.get(scope["path"])
        if route is None:
            return Match.NONE, {}
        return Match.FULL, {"route": route, "endpoint": route.endpoint}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        take = cast(Endpoint, scope["endpoint"])
        response = await take(Request(scope, receive), self._door)
        await response(scope, receive, send)
