"""What the writer is held to, and what it counts."""

from dataclasses import dataclass, field

from server.store.buffer import BufferLimits


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """Sizes and times of writing."""

    batch_records: int = 500
    linger_s: float = 0.1
    """So long the first record of a batch waits for company, unless somebody waits."""
    slow_s: float = 1.0
    """What waits longer goes to the spill file."""
    batch_timeout_s: float = 10.0
    ack_timeout_s: float = 10.0
    """So long `store` waits until a record is safe anywhere."""
    prepare_timeout_s: float = 90.0
    """Creating or updating the tables may wait for another process that does it."""
    retry_first_s: float = 0.2
    retry_max_s: float = 5.0
    close_timeout_s: float = 3.0
    """So long the end of the program waits for the database before it spills."""
    buffer: BufferLimits = field(default_factory=BufferLimits)


@dataclass(slots=True)
class WriterCounters:
    """What happened since the start."""

    recorded: int = 0
    written: int = 0
    batches: int = 0
    spilled: int = 0
    refused: int = 0
    """Put aside in a file of their own: the database does not take them at all."""
    lost: int = 0
    """Neither database nor disk took anything, and the memory was full."""
    failures: int = 0
