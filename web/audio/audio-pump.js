/**
 * Carries PCM between the data channel and the worklets' ports.
 *
 * The same code runs in a worker, where a busy page cannot delay it, and on the
 * page's own thread where a data channel cannot be transferred.
 */

/** Unsent audio beyond this (100 ms) is old news: the newest frame is dropped. */
const MAX_UNSENT_BYTES = 4800;

/**
 * @typedef {object} PumpStats
 * @property {number} framesSent
 * @property {number} framesDropped microphone frames not sent: the network is behind
 * @property {number} framesReceived
 * @property {number} bytesReceived
 */

/**
 * @typedef {object} PumpEvents
 * @property {() => void} onopen
 * @property {() => void} onclose
 * @property {(text: string) => void} ontext a JSON message that came by this channel
 */

export class AudioPump {
  #channel;
  #frames;
  /** @type {PumpStats} */
  #stats = { framesSent: 0, framesDropped: 0, framesReceived: 0, bytesReceived: 0 };

  /**
   * @param {RTCDataChannel} channel
   * @param {MessagePort} capture gives microphone frames, ArrayBuffers of PCM16
   * @param {MessagePort} playout takes frames to play
   * @param {PumpEvents} events
   */
  constructor(channel, capture, playout, events) {
    this.#channel = channel;
    this.#frames = capture;
    channel.binaryType = "arraybuffer";
    channel.onopen = () => events.onopen();
    channel.onclose = () => events.onclose();
    channel.onmessage = ({ data }) => {
      if (typeof data === "string") events.ontext(data);
      else this.#receive(data, playout);
    };
    capture.onmessage = ({ data }) => this.#send(data);
    if (channel.readyState === "open") events.onopen();
  }

  /** @returns {PumpStats} */
  stats() {
    return { ...this.#stats };
  }

  close() {
    this.#frames.onmessage = null;
    this.#channel.close();
  }

  /** @param {ArrayBuffer} frame */
  #send(frame) {
    if (this.#channel.readyState !== "open") return;
    if (this.#channel.bufferedAmount > MAX_UNSENT_BYTES) {
      this.#stats.framesDropped++;
      return;
    }
    this.#channel.send(frame);
    this.#stats.framesSent++;
  }

  /**
   * @param {ArrayBuffer} data
   * @param {MessagePort} playout
   */
  #receive(data, playout) {
    this.#stats.framesReceived++;
    this.#stats.bytesReceived += data.byteLength;
    playout.postMessage(data, [data]);
  }
}
