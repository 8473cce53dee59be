"""The model's protocol: typed events, what to do about them, and how to reach it.

`wire` `config` `transcripts` `scheduler` `core` are pure or sans-IO; `signalling` and
`webrtc` are the edges.
"""
