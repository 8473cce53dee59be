/**
 * Audio over WebRTC media tracks: the browser encodes, paces and conceals.
 */

/**
 * @typedef {object} TrackStats
 * @property {number} framesReceived packets of the far side
 * @property {number} framesSent
 * @property {number} framesDropped always 0: the browser adapts instead
 * @property {number} lost packets that never came
 * @property {number} bufferedMs mean wait in the browser's jitter buffer, since the last look
 * @property {number} concealedMs made up because nothing was there, since the beginning
 */

/** Implements AudioLine. */
export class TrackLine {
  /** @type {"track"} */ thread = "track";
  /** @type {TrackStats | null} */ stats = null;
  #pc;
  #waited = { s: 0, n: 0 };

  /**
   * @param {RTCPeerConnection} pc
   * @param {MediaStreamTrack} microphone stays the caller's
   * @param {(stream: MediaStream) => void} onStream what to play
   */
  constructor(pc, microphone, onStream) {
    this.#pc = pc;
    pc.addTransceiver(microphone, { direction: "sendrecv" });
    pc.ontrack = ({ track }) => onStream(new MediaStream([track]));
  }

  /** Nothing to agree on: the descriptions did. */
  use() {}

  /** Read the browser's counts; `stats` has them a moment later. */
  refresh() {
    this.#pc.getStats().then(
      (report) => this.#read(report),
      () => {}, // closed meanwhile
    );
  }

  close() {
    this.#pc.ontrack = null;
  }

  /** @param {RTCStatsReport} report */
  #read(report) {
    for (const it of report.values()) {
      if (it.type === "outbound-rtp") this.#note({ framesSent: it.packetsSent ?? 0 });
      if (it.type !== "inbound-rtp") continue;
      const waited = { s: it.jitterBufferDelay ?? 0, n: it.jitterBufferEmittedCount ?? 0 };
      const nNew = waited.n - this.#waited.n;
      const bufferedMs = nNew > 0 ? (1000 * (waited.s - this.#waited.s)) / nNew : 0;
      this.#waited = waited;
      this.#note({
        framesReceived: it.packetsReceived ?? 0,
        lost: it.packetsLost ?? 0,
        bufferedMs,
        concealedMs: (it.concealedSamples ?? 0) / 48,
      });
    }
  }

  /** @param {Partial<TrackStats>} counts */
  #note(counts) {
    const none = { framesReceived: 0, framesSent: 0, framesDropped: 0 };
    this.stats = {
      ...none,
      lost: 0,
      bufferedMs: 0,
      concealedMs: 0,
      ...this.stats,
      ...counts,
    };
  }
}
