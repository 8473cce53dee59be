"""A stand-in of the Claude Code CLI: a real process that speaks its streaming JSON.

What it does is the first word of the request: work, die, garbage, hang, stubborn, huge,
refuse, budget, children. It writes its command line and its environment into its
first result, so that a test can look at them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

SESSION = "11111111-2222-3333-4444-555555555555"


def emit(kind: str, **fields: Any) -> None:
    line = {"type": kind, "session_id": SESSION, **fields}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def assistant(*blocks: dict[str, Any], parent: str | None = None) -> None:
    message = {"role": "assistant", "content": list(blocks), "model": "stand-in"}
    emit("assistant", message=message, parent_tool_use_id=parent)


def returned(call_id: str, content: Any, is_error: bool = False) -> None:
    block = {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": content,
        "is_error": is_error,
    }
    emit("user", message={"role": "user", "content": [block]})


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(call_id: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {"x": 1}}


def result(words: str, **fields: Any) -> None:
    whole = {
        "subtype": "success",
        "is_error": False,
        "result": words,
        "num_turns": 1,
        "duration_ms": 5,
        "total_cost_usd": 0.01,
        **fields,
    }
    emit("result", **whole)


def work(words: str) -> None:
    assistant(text("I look."), use("t1", "Read"), use("t2", "Bash"))
    assistant(text("Inner words."), parent="t2")
    returned("t1", [{"type": "text", "text": "three lines"}])
    returned("t2", "exit 1", is_error=True)
    assistant(text("I have looked."))
    seen = {"argv": sys.argv[1:], "env": sorted(os.environ), "cwd": os.getcwd()}
    result(f"Done: {words} {json.dumps(seen)}")


def behave(words: str) -> None:
    kind = words.split()[0]
    if kind == "die":
        sys.stderr.write("first line\nout of tokens\n")
        sys.stderr.flush()
        os._exit(3)
    elif kind == "garbage":
        sys.stdout.write('not json\n[1,2]\n{"type": 5}\n\n{"type":"assistant"}\n')
        result("after garbage")
    elif kind in ("hang", "stubborn", "children"):
        if kind == "children":
            child = subprocess.Popen(["sleep", "600"])
            assistant(text(f"child {child.pid}"))
        assistant(text(f"pid {os.getpid()}"))
        time.sleep(600)
    elif kind == "huge":
        line = json.dumps({"type": "assistant", "message": {"content": "x" * 9_000}})
        for _ in range(2_000):
            sys.stdout.write(line + "\n")
        sys.stdout.write('{"type":"junk","x":"' + "y" * (6 << 20) + '"}\n')
        result("z" * 100_000)
    elif kind == "refuse":
        result("I could not.", permission_denials=[{"tool_name": "Edit"}])
    elif kind == "budget":
        emit("result", subtype="error_max_turns", is_error=True)
    else:
        work(words)


def stop_on_interrupt() -> None:
    """A real CLI answers an interrupt with a result and waits for more input."""
    emit("control_response", response={"subtype": "success", "request_id": "stop"})
    emit("result", subtype="error_during_execution", is_error=True)


def main() -> None:
    if "--resume" in sys.argv and os.environ.get("STAND_IN_FORGETS"):
        sys.stderr.write("No conversation found with session ID\n")
        sys.exit(1)
    emit("system", subtype="init", cwd=os.getcwd(), tools=["Read"], model="stand-in")
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "control_request":
            stop_on_interrupt()
            os._exit(0)
        words = message["message"]["content"][0]["text"]
        threading.Thread(target=behave, args=(words,), daemon=True).start()
        if words.startswith("stubborn"):  # nor does it read any more
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)


if __name__ == "__main__":
    main()
