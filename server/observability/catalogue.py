"""Every metric of the bridge. Its labels are words from short lists, never ids."""

from server.observability.meter import Metric

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)
HOP_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1)
LONG_SECONDS = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600)

CATALOGUE = (
    # --- who is here
    Metric("sessions", "gauge", "Sessions live or coming up."),
    Metric("clients", "gauge", "Browsers connected or connecting."),
    Metric("sessions_ended", "counter", "Sessions that are over.", ("reason",)),
    Metric(
        "session_seconds",
        "histogram",
        "Length of sessions that are over.",
        buckets=LONG_SECONDS,
    ),
    Metric("clients_joined", "counter", "Browsers whose audio began to flow."),
    Metric("clients_left", "counter", "Browsers that are gone.", ("reason",)),
    Metric(
        "session_states",
        "counter",
        "Times sessions went into a state; live counts the ways back.",
        ("state",),
    ),
    # --- turns
    Metric("turns", "counter", "Responses that are over.", ("kind", "outcome")),
    Metric(
        "turn_stage_seconds",
        "histogram",
        "Stages of turns; what begins and ends them: docs/observability.md.",
        ("stage",),
        SECONDS,
    ),
    Metric(
        "barge_in_stop_seconds",
        "histogram",
        "From the service's word that the user speaks to the last audio sent out.",
        buckets=HOP_SECONDS,
    ),
    # --- audio, once a second per browser
    Metric(
        "hop_delay_seconds",
        "histogram",
        "Delay per hop: uplink and downlink are what the bridge adds, network is the "
        "round trip to the browser.",
        ("hop",),
        HOP_SECONDS,
    ),
    Metric("jitter_seconds", "histogram", "Of browsers' audio.", buckets=HOP_SECONDS),
    Metric("audio_lost_seconds", "counter", "Browsers' audio that never came."),
    Metric("audio_concealed_seconds", "counter", "Browsers' audio that was made up."),
    Metric("audio_late_seconds", "counter", "Browsers' audio that came too late."),
    # --- tools
    Metric("tool_calls", "counter", "Tool calls that are over.", ("tool", "end")),
    Metric(
        "tool_seconds",
        "histogram",
        "Length of tool calls, without the wait for a yes.",
        ("tool",),
        (*SECONDS, 60, 300, 1_800),
    ),
    Metric(
        "tool_confirmation_seconds",
        "histogram",
        "How long calls waited for a yes or no.",
        buckets=(1, 2, 5, 10, 20, 30, 60, 120),
    ),
    # --- money
    Metric("model_tokens", "counter", "Tokens that were used.", ("model", "kind")),
    Metric("model_cost_dollars", "counter", "What they cost.", ("model",)),
    # --- trouble
    Metric(
        "errors",
        "counter",
        "Errors by their stable code: of requests, and in the middle of calls.",
        ("code", "where"),
    ),
    # --- processes
    Metric("worker_up", "gauge", "Whether a media process works.", ("worker",)),
    Metric("worker_sessions", "gauge", "Its sessions.", ("worker",)),
    Metric("worker_cpu_cores", "gauge", "Cores it uses, smoothed.", ("worker",)),
    Metric("worker_rss_bytes", "gauge", "Its memory.", ("worker",)),
    Metric("worker_lag_seconds", "gauge", "p95 lateness of its loop.", ("worker",)),
    Metric("worker_restarts", "gauge", "Times it was started again.", ("worker",)),
    Metric("worker_ticks", "gauge", "20 ms ticks since its start.", ("worker",)),
    Metric("worker_ticks_skipped", "gauge", "Ticks given up as late.", ("worker",)),
    Metric("front_cpu_seconds", "gauge", "CPU time of the front so far."),
    Metric("front_rss_bytes", "gauge", "Memory of the front."),
    Metric("front_fds", "gauge", "Open descriptors of the front."),
    Metric("front_tasks", "gauge", "Tasks of the front's loop."),
    Metric("queue_length", "gauge", "What waits in a queue now.", ("queue",)),
    Metric("mcp_server_up", "gauge", "Whether its tools can be called.", ("server",)),
)
