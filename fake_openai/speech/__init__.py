"""Speech of the fake model: a voice that always works, ears that know what was said.

protocols.py says what a session needs; `voice.bundled_voice()` and
`recognise.bundled_recogniser()` are what a process normally uses, and
`free_speech.free_speech_worker()` is for talking to it oneself. Everything is
synchronous and deterministic; all but the worker is pure computation.
"""
