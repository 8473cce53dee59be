"""One Realtime session, SANS-IO: events, audio and time in, events and audio out.

`core.RealtimeSession` is the door. It reads no clock, owns no task and opens no socket;
WebRTC and WebSocket edges drive the same object.
"""
