"""Pure audio: numpy in, numpy out. No clock, no task, no I/O."""
