"""A headless browser user, and the ruler that measures a call by its audio.

It talks to a bridge as the page does (HTTP signalling, data channel or track, 20 ms
capture clock, playout buffer) and records what left the mouth and what reached the ear
on one clock. It shares no code with the bridge it measures, so that no error can hide
in both. Pure: `scenario speech timeline record playout analysis markers alignment
continuity measures result`. Edges: `capture ice bridge_api opus_track peer call
fake_control run __main__`. `network` (with its own description) impairs the way.
"""
