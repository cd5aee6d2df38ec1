"""The collector's paths, and the application that uvicorn serves. What happens behind a path is `door`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from ingestion.collector import browsers
from ingestion.collector.answers import Answered, answer, problem
from ingestion.collector.door import Door
from ingestion.collector.metrics import CONTENT_TYPE, Measured
from ingestion.contracts.events import EventType
from ingestion.contracts.triggers import catalogue

SINGLE_PATHS = ("/ingest", "/api/ingest")
SPEC_PREFIX = "/v1/"
BATCH_PATHS = ("/tenant/ingest/batch", "/v1/batch", "/batch")

ABOUT = """Events in, as one call or in batches: Segment or RudderStack SDKs unchanged, server events, flat events.

A 200 means that every accepted event is safely on disk. A key goes into `X-API-Key`, the Basic user name, a bearer
token, or `writeKey` in the body; it names the source. Errors are `{"code", "message", "errors": [{"path", "reason"}]}`.
"""

router = APIRouter()


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


TheDoor = Annotated[Door, Depends(_door)]


async def ingest(request: Request, door: TheDoor) -> Response:
    """One event, in any shape."""
    return await door.single(request)


async def batch(request: Request, door: TheDoor) -> Response:
    """Many events, each with a result of its own: accepted, duplicate or rejected."""
    return await door.batch(request)


async def spec_call(request: Request, door: TheDoor) -> Response:
    """One call of the Segment spec; the path names its type."""
    call_type = request.url.path.removeprefix(SPEC_PREFIX)
    return await door.single(request, cast(EventType, call_type))


async def trigger(request: Request, name: str, door: TheDoor) -> Response:
    """A call of a custom trigger, held against the version it names; `GET /triggers` says what is valid."""
    return await door.trigger(request, name)


async def webhook(request: Request, source: str, door: TheDoor) -> Response:
    """What another system tells us, signed the way its source declares; each message has a result of its own."""
    return await door.webhook(request, source)


@router.get("/triggers")
async def triggers(door: TheDoor) -> Response:
    """Every version of every custom trigger, with the JSON Schema of its properties."""
    return answer({"triggers": catalogue(door.triggers)})


@router.get("/sources")
async def sources(request: Request, door: TheDoor) -> Response:
    """Every declared source, its owner, and how it sends. Needs a key that is not a web page's."""
    return door.catalogue_of_sources(request)


@router.get("/metrics")
async def metrics(door: TheDoor) -> Response:
    """Counters and timings in the text format of Prometheus."""
    text = door.metrics.text(is_healthy=door.writer.error is None)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


@router.get("/healthz")
async def healthz() -> Response:
    """The process is up."""
    return answer({"status": "ok"})


@router.get("/readyz")
async def readyz(door: TheDoor) -> Response:
    """The disk takes what we bring."""
    if door.writer.error:
        raise problem(503, "unavailable", "the disk refused a moment ago")
    return answer({"status": "ready"})


def _receiving() -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """Every path that takes events in, what handles it, and an example of its body."""
    event = {"event": "purchase_completed", "customer_id": "cust_12345"}
    for path in SINGLE_PATHS:
        yield path, ingest, event
    for path in BATCH_PATHS:
        yield path, batch, {"batch": [{"type": "track", "event": "Signed Up"}]}
    for call_type in get_args(EventType):
        yield f"{SPEC_PREFIX}{call_type}", spec_call, {"userId": "u-1"}
    score = {"version": "1.0", "userId": "u-1", "properties": {"score": 9}}
    yield "/triggers/{name}", trigger, score
    yield "/webhooks/{source}", webhook, {"type": "email.opened", "data": {}}


async def _answered(request: Request, error: Exception) -> Response:
    assert isinstance(error, Answered)
    return error.response


async def _http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the same shape as our own errors."""
    assert isinstance(error, HTTPException)
    code = str(error.detail).lower().replace(" ", "_")
    headers = dict(error.headers or {})
    return problem(error.status_code, code, str(error.detail), **headers).response


def create_app(door: Door) -> FastAPI:
    """The application around a door. Closing the door's writer, and so sealing, is part of its shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        door.writer.close()

    app = FastAPI(
        title="Millrace collector",
        description=ABOUT,
        lifespan=lifespan,
        redirect_slashes=False,  # SDKs lose what a 3xx answers
    )
    app.state.door = door
    for path, endpoint, example in _receiving():
        body = {"application/json": {"schema": {}, "example": example}}
        documented = {"requestBody": {"required": True, "content": body}}
        app.add_api_route(path, endpoint, methods=["POST"], openapi_extra=documented)
    app.include_router(router)
    browsers.welcome(app)
    app.add_middleware(Measured, metrics=door.metrics)
    app.add_exception_handler(Answered, _answered)
    app.add_exception_handler(HTTPException, _http_error)
    return app
