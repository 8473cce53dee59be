"""What is remembered: conversations, their events, and what the assistant may know.

The same routes answer below `/api/conversations` and, for older clients, below
`/api/realtime/conversations`. Nothing here is deleted but by DELETE.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from server.auth.principal import ApiPrincipal
from server.errors import RecordingNotFoundError
from server.http.answers import body, errors
from server.http.body import Name, read_json
from server.http.stored import (
    ConversationId,
    OwnStore,
    checked_metadata,
    decode_cursor,
    encode_cursor,
    to_ms,
)
from server.store import export, records
from server.store.events import ConversationSummary, StoredRecording
from server.store.queries import MAX_MEMORY_CHARS
from server.store.store import Store

MAX_PAGE = 1_000
MAX_METADATA_CHARS = 8_192
EXPORT_PAGE = 500

router = APIRouter(tags=["conversations"])
memory_router = APIRouter(prefix="/api/memory", tags=["conversations"])

Title = Annotated[str, Field(max_length=200)]
Seq = Annotated[int | None, Query(ge=0, lt=2**53)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


class NewConversation(BaseModel):
    """The body of POST; `name` is the older word for `title`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Name | None = None
    title: Title | None = Field(
        None,
        validation_alias=AliasChoices("title", "name"),
        serialization_alias="title",
    )
    metadata: dict[str, Any] | None = None


class ConversationChange(BaseModel):
    """The body of PATCH; what is absent stays as it is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: Title | None = Field(
        None,
        validation_alias=AliasChoices("title", "name"),
        serialization_alias="title",
    )
    metadata: dict[str, Any] | None = None


class NewEvent(BaseModel):
    """An event from outside."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: Annotated[str, Field(pattern=r"^[\w.:-]{1,64}$")]
    type: Annotated[str, Field(pattern=r"^[\w.:-]{1,128}$")]
    payload: dict[str, Any] = Field(default_factory=dict)
    event_id: Annotated[str, Field(pattern=r"^[\w.:-]{1,64}$")] | None = None
    """Repeat a request with the same id, and it counts once."""
    timestamp: datetime | None = None
    session_id: Annotated[str, Field(pattern=r"^[\w.:-]{1,64}$")] | None = None


class Memory(BaseModel):
    """What the assistant is told about its owner at the beginning of a session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(max_length=MAX_MEMORY_CHARS)]


class EventStored(BaseModel):
    """An event that is safe."""

    event_id: str
    seq: int | None
    """Its number; null while it waits in the journal."""
    durable: Literal["database", "journal"]
    repeated: bool


def _json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    return body("application/json", model.model_json_schema(), required=required)


@router.get("", responses=errors(400, 422, 503))
async def list_conversations(
    store: OwnStore,
    principal: ApiPrincipal,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> dict[str, Any]:
    """The caller's conversations, the one last written to first."""
    page = await store.queries.conversations(
        principal.owner, limit=limit, cursor=decode_cursor(cursor)
    )
    return {
        "conversations": [c.as_json() for c in page.conversations],
        "next_cursor": encode_cursor(page.cursor),
    }


@router.post(
    "",
    status_code=201,
    responses=errors(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=_json_body(NewConversation, required=False),
)
async def create_conversation(
    request: Request, store: OwnStore, principal: ApiPrincipal
) -> dict[str, Any]:
    """Create one; recording would do so by itself."""
    new = await read_json(request, NewConversation)
    summary = await store.changes.create(
        principal.owner,
        conversation_id=new.id,
        title=new.title,
        metadata=checked_metadata(new.metadata, MAX_METADATA_CHARS),
    )
    return summary.as_json()


@router.get("/{conversation_id}", responses=errors(404, 422, 503))
async def conversation_detail(
    conversation_id: ConversationId,
    store: OwnStore,
    principal: ApiPrincipal,
    limit: Annotated[int, Query(ge=0, le=MAX_PAGE)] = 0,
    after: Seq = None,
) -> dict[str, Any]:
    """One conversation with its sessions; with `limit`, events as well."""
    owner = principal.owner
    summary = await store.queries.conversation(owner, conversation_id)
    detail = {
        **summary.as_json(),
        "n_events": await store.queries.n_events(owner, conversation_id),
        "sessions": await store.queries.sessions(owner, conversation_id),
        "usage": await store.queries.usage(owner, conversation_id),
    }
    if limit:
        page = await store.queries.events(
            owner, conversation_id, limit=limit, after=after
        )
        detail["events"] = [event.as_json() for event in page.events]
    return detail


@router.put(
    "/{conversation_id}",
    include_in_schema=False,
)
@router.patch(
    "/{conversation_id}",
    responses=errors(400, 404, 408, 413, 415, 422, 503),
    openapi_extra=_json_body(ConversationChange, required=False),
)
async def amend_conversation(
    conversation_id: ConversationId,
    request: Request,
    store: OwnStore,
    principal: ApiPrincipal,
) -> dict[str, Any]:
    """Give it another title, or other metadata."""
    change = await read_json(request, ConversationChange)
    await store.changes.amend(
        principal.owner,
        conversation_id,
        title=change.title,
        metadata=checked_metadata(change.metadata, MAX_METADATA_CHARS),
    )
    return (
        await store.queries.conversation(principal.owner, conversation_id)
    ).as_json()


@router.delete("/{conversation_id}", status_code=204, responses=errors(404, 422, 503))
async def delete_conversation(
    conversation_id: ConversationId, store: OwnStore, principal: ApiPrincipal
) -> Response:
    """Delete it with everything in it, recordings included."""
    await store.changes.delete(principal.owner, conversation_id)
    return Response(status_code=204)


@router.get("/{conversation_id}/events", responses=errors(404, 422, 503))
async def read_events(
    conversation_id: ConversationId,
    store: OwnStore,
    principal: ApiPrincipal,
    limit: Limit = 100,
    before: Seq = None,
    after: Seq = None,
) -> dict[str, Any]:
    """A page, newest last: of all, before a number, or after one."""
    await store.queries.conversation(principal.owner, conversation_id)
    page = await store.queries.events(
        principal.owner, conversation_id, limit=limit, before=before, after=after
    )
    events = [event.as_json() for event in page.events]
    return {
        "events": events,
        "before": events[0]["seq"] if events and page.has_older else None,
        "after": events[-1]["seq"] if events else after,
        "has_older": page.has_older,
        "has_newer": page.has_newer,
    }


@router.post(
    "/{conversation_id}/events",
    status_code=201,
    responses={
        200: {"model": EventStored, "description": "It was there already"},
        202: {"model": EventStored, "description": "Safe, but not numbered yet"},
        **errors(400, 408, 413, 415, 422, 503),
    },
    openapi_extra=_json_body(NewEvent),
)
async def write_event(
    conversation_id: ConversationId,
    request: Request,
    response: Response,
    store: OwnStore,
    principal: ApiPrincipal,
) -> EventStored:
    """Remember an event; once this has answered, it survives whatever happens."""
    new = await read_json(request, NewEvent)
    record = records.event(
        owner=principal.owner,
        conversation_id=conversation_id,
        source=new.source,
        type=new.type,
        payload=new.payload,
        at_ms=to_ms(new.timestamp),
        event_id=new.event_id,
        session_id=new.session_id,
    )
    receipt = await store.writer.store(record)
    if receipt.durable == "journal":
        response.status_code = 202
    elif receipt.repeated:
        response.status_code = 200
    return EventStored(
        event_id=record.event_id,
        seq=receipt.seq,
        durable=receipt.durable,
        repeated=receipt.repeated,
    )


@router.delete("/{conversation_id}/events", responses=errors(404, 422, 503))
async def erase_events(
    conversation_id: ConversationId, store: OwnStore, principal: ApiPrincipal
) -> dict[str, int]:
    """Forget everything said and recorded; the conversation itself stays."""
    return {"erased": await store.changes.erase(principal.owner, conversation_id)}


@router.get(
    "/{conversation_id}/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {
                media_type.partition(";")[0]: {
                    "schema": {"type": "object" if name == "json" else "string"}
                }
                for name, media_type in export.MEDIA_TYPES.items()
            },
        },
        **errors(404, 422, 503),
    },
)
async def export_conversation(
    conversation_id: ConversationId,
    store: OwnStore,
    principal: ApiPrincipal,
    format: Annotated[export.Format, Query()] = "json",
    recording: Annotated[str | None, Query(max_length=64, pattern=r"^[\w-]+$")] = None,
) -> StreamingResponse:
    """The whole conversation as a file; or subtitles that fit a recording of it."""
    summary = await store.queries.conversation(principal.owner, conversation_id)
    fits = None
    if recording is not None:
        fits = await store.queries.recording(principal.owner, recording)
        if fits.conversation_id != conversation_id:
            raise RecordingNotFoundError
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in conversation_id)
    file = f"conversation-{name}.{export.SUFFIXES[format]}"
    return StreamingResponse(
        _document(store, summary, format, fits),
        media_type=export.MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )


async def _document(
    store: Store,
    summary: ConversationSummary,
    format: export.Format,
    recording: StoredRecording | None,
) -> AsyncIterator[str]:
    """A document in pieces; only what was said is kept, where a format needs it all."""
    head, tail, is_first = "", "", True
    if format == "json":
        head, tail = export.json_parts(summary)
    elif format == "markdown":
        head = export.markdown_head(summary)
    yield head
    said: list[export.Utterance] = []
    after = 0
    while page := await store.queries.events_after(
        summary.owner, summary.id, after, EXPORT_PAGE
    ):
        after = page[-1].seq
        parts: list[str] = []
        for event in page:
            if format == "json":
                parts.append(export.json_event(event, is_first=is_first))
                is_first = False
            elif format == "markdown":
                parts.append(export.markdown_event(event))
            elif (utterance := export.utterance(event)) is not None:
                said.append(utterance)
        yield "".join(parts)
    if recording is not None:
        said = export.heard_in(recording, said)
    if format in ("srt", "vtt"):
        for cue in export.srt(said) if format == "srt" else export.vtt(said):
            yield cue
    yield tail


@memory_router.get("", responses=errors(503))
async def read_memory(store: OwnStore, principal: ApiPrincipal) -> Memory:
    """What the assistant knows about the caller."""
    return Memory(text=await store.queries.memory_text(principal.owner))


@memory_router.put(
    "",
    responses=errors(400, 408, 413, 415, 422, 503),
    openapi_extra=_json_body(Memory),
)
async def write_memory(
    request: Request, store: OwnStore, principal: ApiPrincipal
) -> Memory:
    """Replace it, whole; an empty text forgets everything."""
    memory = await read_json(request, Memory)
    await store.changes.put_memory(principal.owner, memory.text)
    return memory
