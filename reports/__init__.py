"""What a run found, as data and as text. Rendered from the JSON alone.

`model` is the published form of a result (its schema: `result.schema.json`), `calls`
makes one of a simulation's lines, `page`, `markdown` and `junit` draw it, `folder`
writes it down. Nothing here measures, and nothing here imports `server`.
"""
