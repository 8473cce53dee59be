"""The live audio of a conversation: clients, the tick, mixing, barge-in.

`host.MediaHost` is the only door; `protocol` is what goes through it.
"""
