"""The audio files of a conversation: listed, played, subtitled, deleted with it."""

from __future__ import annotations

from typing import Any

from server.store.records import RecordingRecord, UsageRecord
from tests.support.stores import FLUSH_S, Api, said, say


async def test_subtitles_fit_the_recording_they_are_asked_for(api: Api) -> None:
    store = api.store
    for text, session_id, session_ms in (
        ("before", "s1", 9_000),
        ("in the middle", "s1", 11_000),
        ("of another session", "s2", 11_000),
        ("after it", "s1", 20_000),
    ):
        record = said(
            text, conversation_id="c", session_id=session_id, session_ms=session_ms
        )
        store.writer.record(record)
    store.writer.record(_recording("r1", "recording", session_ms=9_500))
    store.writer.record(_recording("r1", "finished", session_ms=9_500))
    await store.writer.flush(FLUSH_S)
    async with api.of("ada") as http:
        url = "/conversations/c/export?format=srt&recording="
        subtitles = (await http.get(f"{url}r1")).text
        unknown = await http.get(f"{url}r2")
    assert subtitles == "1\n00:00:00,500 --> 00:00:01,500\nUser: in the middle\n\n"
    assert unknown.status_code == 404


async def test_erasing_leaves_nothing_of_what_was_said(api: Api) -> None:
    """Not in the database's files either, nor in a spill file, nor on the shelf."""
    secret = "xyzzy-plugh-4711"
    store = api.store
    file = store.recordings_dir / "r1.ogg"
    file.write_bytes(b"OggS" + secret.encode())
    async with api.of("ada") as http:
        await say(http, "c", secret)
        store.writer.record(_recording("r1", "recording"))
        store.writer.record(_recording("r1", "finished"))
        store.writer.record(UsageRecord("u", "ada", "c", "s", 1, 5, 6, "{}"))
        erased = await http.delete("/conversations/c/events")
        events = (await http.get("/conversations/c/events")).json()["events"]
        recordings = (await http.get("/conversations/c/recordings")).json()
        following = await say(http, "c", "anew")
        usage = (await http.get("/conversations/c")).json()["usage"]

    assert erased.json() == {"erased": 1}
    assert events == recordings["recordings"] == []
    assert following["seq"] == 2, "numbers are never used twice"
    assert usage["input_tokens"] == 5
    for path in store.place.data_dir.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


async def test_deleting_takes_recordings_along_and_late_words_create_it_anew(
    api: Api,
) -> None:
    store = api.store
    file = store.recordings_dir / "r1.ogg"
    file.write_bytes(b"OggS")
    async with api.of("ada") as http:
        await say(http, "c", "old")
        store.writer.record(_recording("r1", "recording"))
        await http.delete("/conversations/c")
        store.writer.record(_recording("r1", "finished"))
        late = await say(http, "c", "said a moment after it was deleted")
        recordings = (await http.get("/conversations/c/recordings")).json()
    assert late["seq"] == 1
    assert not file.exists()
    assert recordings["recordings"] == []


async def test_recordings_are_listed_played_in_ranges_and_deleted(api: Api) -> None:
    store = api.store
    audio = bytes(range(256)) * 40
    (store.recordings_dir / "r1.ogg").write_bytes(audio)
    store.writer.record(_recording("r1", "recording"))
    await store.writer.flush(FLUSH_S)
    async with api.of("ada") as http, api.of("bob") as bob:
        running = await http.get("/recordings/r1")
        store.writer.record(_recording("r1", "finished"))
        await store.writer.flush(FLUSH_S)
        [listed] = (await http.get("/conversations/c/recordings")).json()["recordings"]
        whole = await http.get("/recordings/r1")
        part = await http.get("/recordings/r1", headers={"Range": "bytes=100-199"})
        beyond = await http.get("/recordings/r1", headers={"Range": "bytes=99999-"})
        of_others = [
            await bob.get("/recordings/r1"),
            await bob.delete("/recordings/r1"),
        ]
        odd = await http.get("/recordings/..%2f..%2fetc%2fpasswd")
        deleted = await http.delete("/recordings/r1")
        after = await http.get("/recordings/r1")

    assert running.status_code == 404
    assert (listed["duration_ms"], listed["track"]) == (2_000, "mix")
    assert "file" not in listed
    assert whole.content == audio
    assert whole.headers["content-type"] == "audio/ogg"
    assert (part.status_code, part.content) == (206, audio[100:200])
    assert beyond.status_code == 416
    assert {answer.status_code for answer in of_others} == {404}
    assert odd.status_code in (404, 422)
    assert deleted.status_code == 204
    assert after.status_code == 404
    assert not (store.recordings_dir / "r1.ogg").exists()


def _recording(
    recording_id: str, state: Any, *, session_ms: int = 0
) -> RecordingRecord:
    return RecordingRecord(
        recording_id,
        "ada",
        "c",
        "s1",
        "take",
        "mix",
        "audio/ogg",
        f"{recording_id}.ogg",
        state,
        1_700_000_000_000,
        session_ms,
        duration_ms=0 if state == "recording" else 2_000,
        size_bytes=0 if state == "recording" else 10,
    )
