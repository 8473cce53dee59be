"""What travels on a Realtime connection: identifiers, event shapes, errors, audio.

PURE: nothing here knows a session, a clock or a socket. `client` says what a client may
send (and how the service complains), `event` is what the server sends.
"""
