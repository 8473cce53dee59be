"""A load generator light enough to share two cores with the bridge it measures.

One process plays every browser and the model service: handshakes are aiortc's, audio
afterwards is packed by hand from a prepared signal. It measures and does not converse:
nothing here is a model of a browser's behaviour (that is `simulator`), and none of it
is shared with `server`, so that one misreading cannot hide another.
"""
