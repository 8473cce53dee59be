"""JSON of the browser leg."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media import control
from server.media.protocol import MediaLimits

LIMITS = MediaLimits(max_control_message_bytes=200, max_text_chars=20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"mute","muted":true}', control.Mute(True)),
        ('{"type":"interrupt"}', control.Interrupt()),
        ('{"type":"text","text":"hello"}', control.Text("hello")),
        ('{"type":"ping","t":12.5}', control.Ping(12.5)),
        ('{"type":"ping"}', control.Ping(None)),
        ('{"type":"bye","extra":1}', control.Bye()),
    ],
)
def test_what_a_browser_may_say(text: str, message: control.ClientMessage) -> None:
    assert control.parse(text, LIMITS) == message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[" * 100, "invalid_json"),
        ("[]", "unknown_message"),
        ("{}", "unknown_message"),
        ('{"type":7}', "unknown_message"),
        ('{"type":"dance"}', "unknown_message"),
        ('{"type":"mute"}', "unknown_message"),
        ('{"type":"mute","muted":"yes"}', "unknown_message"),
        ('{"type":"mute","muted":1}', "unknown_message"),
        ('{"type":"text","text":"  "}', "unknown_message"),
        ('{"type":"ping","t":{}}', "unknown_message"),
        ('{"type":"text","text":"' + "x" * 21 + '"}', "message_too_large"),
        ('{"type":"text","text":"' + "x" * 300 + '"}', "message_too_large"),
        ('{"type":"ping","t":"' + "x" * 65 + '"}', "unknown_message"),
    ],
)
def test_what_it_may_not_say_has_a_code(text: str, code: str) -> None:
    with pytest.raises(control.ControlError) as refused:
        control.parse(text, LIMITS)

    assert refused.value.code == code
    assert refused.value.message


@given(st.text(max_size=80))
def test_no_text_is_an_accident(text: str) -> None:
    with suppress(control.ControlError):
        control.parse(text, LIMITS)


def test_hello_says_format_and_limits() -> None:
    hello = json.loads(
        control.hello(
            session_id="s",
            client_id="c",
            conversation_id="conv",
            agent_name="Ada",
            voice="marin",
            model_kind="fake",
            limits=LIMITS,
        )
    )

    assert hello["type"] == "hello"
    assert hello["version"] == 1
    assert hello["audio"] == {
        "encoding": "pcm16",
        "rate_hz": 24000,
        "channels": 1,
        "frame_ms": 20,
        "framing": "raw",
    }
    assert hello["limits"] == {
        "max_audio_message_bytes": 9600,
        "max_control_message_bytes": 200,
        "max_text_chars": 20,
    }
    assert hello["model"] == {"kind": "fake"}


def test_the_other_messages_have_their_fields() -> None:
    assert json.loads(control.error("x", "Words.", retryable=True, fatal=False)) == {
        "type": "error",
        "error": {"code": "x", "message": "Words.", "retryable": True},
        "fatal": False,
    }
    assert json.loads(control.transcript("user", "i", "Hé", True)) == {
        "type": "transcript",
        "role": "user",
        "item_id": "i",
        "text": "Hé",
        "final": True,
    }
    assert json.loads(control.flush("barge_in")) == {
        "type": "flush",
        "reason": "barge_in",
    }
    assert json.loads(control.tool("c", "pause", "started"))["status"] == "started"
