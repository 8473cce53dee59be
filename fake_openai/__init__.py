"""A fake OpenAI Realtime API that official clients cannot tell from the service.

Deterministic, in one process, with no model, no key and no network: HTTP, WebSocket and
real WebRTC media at the edges; a sans-IO session that hears what was said and answers
from a scenario inside. Never imports `server`: it is the independent peer that would
expose the bridge's misreading of the protocol.
"""
