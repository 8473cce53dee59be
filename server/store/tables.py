"""The tables, for SQLite and PostgreSQL alike. Migrations create exactly these.

Times are UTC in integer milliseconds and JSON is text that we encode ourselves: both
databases keep them the same way, and neither refuses a value the other takes.
A conversation belongs to its owner: two owners may use the same id and never meet.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _belongs_to_conversation() -> ForeignKeyConstraint:
    # No cascade: whoever deletes says what, and the writer creates before it refers.
    return ForeignKeyConstraint(
        ["owner", "conversation_id"], ["conversations.owner", "conversations.id"]
    )


conversations = Table(
    "conversations",
    metadata,
    Column("owner", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("title", Text),
    Column("metadata", Text, nullable=False, server_default="{}"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("owner", "id"),
    Index(None, "owner", "updated_at_ms"),
)
"""`last_seq` is the newest event's number; it only grows, also when events go."""

events = Table(
    "events",
    metadata,
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("session_id", Text),
    Column("session_ms", BigInteger),
    Column("at_ms", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("owner", "conversation_id", "seq"),
    UniqueConstraint("owner", "conversation_id", "event_id"),
    Index(None, "at_ms"),
    _belongs_to_conversation(),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("agent_name", Text),
    Column("voice", Text),
    Column("model", Text),
    Column("node", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger),
    Column("end_reason", Text),
    Index(None, "owner", "conversation_id"),
    Index(None, "node", "state"),
    _belongs_to_conversation(),
)
"""`node` names a place to run (a data folder's slot), `boot` one run of the program."""

clients = Table(
    "clients",
    metadata,
    Column("session_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("name", Text),
    Column("leg", Text),
    Column("joined_at_ms", BigInteger, nullable=False),
    Column("left_at_ms", BigInteger),
    Column("leave_reason", Text),
    PrimaryKeyConstraint("session_id", "client_id"),
    Index(None, "owner", "conversation_id"),
    _belongs_to_conversation(),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("take", Text, nullable=False),
    Column("track", Text, nullable=False),
    Column("client_id", Text),
    Column("name", Text),
    Column("media_type", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("session_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False, server_default="0"),
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "owner", "conversation_id"),
    Index(None, "started_at_ms"),
    _belongs_to_conversation(),
)
"""One row per file. All files of one `take` begin at the same sample."""

usage = Table(
    "usage",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text),
    Column("session_id", Text),
    Column("at_ms", BigInteger, nullable=False),
    Column("model", Text),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("details", Text, nullable=False),
    Index(None, "owner", "at_ms"),
    Index(None, "session_id"),
)
"""What the model billed. Outlives its conversation, without naming it any more."""

memories = Table(
    "memories",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)
"""What the assistant is told about its owner at the beginning of every session."""
