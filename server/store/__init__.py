"""What is remembered: conversations, their events, sessions, recordings, usage.

Recording never waits and never fails: `Writer.record` puts a record in memory, a task
of its own writes batches, and what the database cannot take now goes to a file that is
replayed. Reading and deleting are ordinary calls that may fail.
"""
