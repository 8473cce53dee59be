"""Recordings: which there are, their files, and how to be rid of them."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from server.auth.principal import ApiPrincipal
from server.errors import RecordingNotFoundError
from server.http.answers import errors
from server.http.stored import ConversationId, OwnStore, RecordingId

router = APIRouter(tags=["recordings"])
of_conversation = APIRouter(tags=["recordings"])

SUFFIXES = {"audio/ogg": "ogg", "audio/wav": "wav"}


@of_conversation.get("/{conversation_id}/recordings", responses=errors(404, 422, 503))
async def list_recordings(
    conversation_id: ConversationId, store: OwnStore, principal: ApiPrincipal
) -> dict[str, Any]:
    """The recordings of a conversation, oldest first."""
    await store.queries.conversation(principal.owner, conversation_id)
    found = await store.queries.recordings(principal.owner, conversation_id)
    return {"recordings": [recording.as_json() for recording in found]}


@router.get(
    "/api/recordings/{recording_id}",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The audio",
            "content": {"audio/ogg": {}, "audio/wav": {}},
        },
        206: {"description": "The part of it that was asked for"},
        416: {"description": "There is no such part"},
        **errors(404, 422, 503),
    },
)
async def read_recording(
    recording_id: RecordingId, store: OwnStore, principal: ApiPrincipal
) -> FileResponse:
    """The audio, whole or in the ranges a player asks for."""
    recording = await store.queries.recording(principal.owner, recording_id)
    path = store.recordings_dir / recording.file
    if recording.state == "recording" or not await asyncio.to_thread(path.is_file):
        raise RecordingNotFoundError
    suffix = SUFFIXES.get(recording.media_type, "bin")
    return FileResponse(
        path,
        media_type=recording.media_type,
        filename=f"recording-{recording.track}-{recording.id[:8]}.{suffix}",
        content_disposition_type="inline",
        headers={"Cache-Control": "private, no-cache"},
    )


@router.delete(
    "/api/recordings/{recording_id}", status_code=204, responses=errors(404, 422, 503)
)
async def delete_recording(
    recording_id: RecordingId, store: OwnStore, principal: ApiPrincipal
) -> Response:
    """Delete one file."""
    await store.changes.delete_recording(principal.owner, recording_id)
    return Response(status_code=204)
