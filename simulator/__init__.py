"""A headless browser user, and the ruler that measures a call by its audio.

It talks to a bridge as the page does (HTTP signalling, data channel or track, 20 ms
capture clock, playout buffer) and records what left the mouth and what reached the ear
on one clock. It shares no code with the bridge it measures, so that no error can hide
in both.

- What is said and when: `scenario` (data), `scenario_file`, `speech`, `mouth`.
- What is heard: `playout` (the page's buffer), `timeline`, `record`.
- The ruler, all pure: `analysis` (level, pitch), `markers` (where is it), `alignment`
  (window by window), `continuity` (gaps), `quality` (STOI), `passage` (one sound on its
  way), `turns` (responses, interruptions), `measures` (a call), `result` (JSON).
- Edges: `capture` (one clock for all microphones), `ice`, `opus_track`,
  `eager_receiver`, `peer`, `bridge_api`, `call`, `conversation`, `run`,
  `fake_control` (what the model recorded), `keep`, `machine`, `console`, `__main__`.
- `network` and `relay*` impair the way; `sdp_rewrite` leads calls over them.
"""
