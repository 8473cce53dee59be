/**
 * Opus at 24 kHz mono by WebCodecs, in 20 ms packets, on whichever thread it is used.
 */

import { HalfBand } from "./half-band.js";

const FRAME_US = 20_000;
const RATE_HZ = 24_000;
const DECODED_RATE_HZ = 48_000;

/** Restricted low delay is Opus without its speech codec: 2.5 ms instead of 6.5. */
const ENCODING = {
  codec: "opus",
  sampleRate: RATE_HZ,
  numberOfChannels: 1,
  bitrate: 48_000,
  bitrateMode: "variable",
  opus: { frameDuration: FRAME_US, application: "lowdelay", complexity: 5 },
};
const DECODING = { codec: "opus", sampleRate: DECODED_RATE_HZ, numberOfChannels: 1 };

/** A packet without data: the decoder goes on by itself, ever quieter. */
export const NOTHING = new Uint8Array([0xd8]);

/** @returns {Promise<boolean>} whether this browser encodes and decodes such packets */
export async function canOpus() {
  if (!("AudioEncoder" in globalThis && "AudioDecoder" in globalThis)) return false;
  try {
    const [encoder, decoder] = await Promise.all([
      AudioEncoder.isConfigSupported(/** @type {any} */ (ENCODING)),
      AudioDecoder.isConfigSupported(DECODING),
    ]);
    return Boolean(encoder.supported && decoder.supported);
  } catch {
    return false; // a browser that knows another form of the configuration
  }
}

export class OpusEncoder {
  #encoder;
  #timestamp = 0;

  /**
   * @param {(packet: Uint8Array) => void} emit in the order of `push`
   * @param {() => void} onerror it works no more
   */
  constructor(emit, onerror) {
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        emit(packet);
      },
      error: onerror,
    });
    this.#encoder.configure(/** @type {any} */ (ENCODING));
  }

  /** @param {Int16Array} pcm one frame of 20 ms */
  push(pcm) {
    const data = new AudioData({
      format: "s16",
      sampleRate: RATE_HZ,
      numberOfFrames: pcm.length,
      numberOfChannels: 1,
      timestamp: this.#timestamp,
      data: /** @type {any} */ (pcm),
    });
    this.#timestamp += FRAME_US;
    this.#encoder.encode(data);
    data.close();
  }

  close() {
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }
}

export class OpusDecoder {
  #decoder;
  #halfBand = new HalfBand();
  #timestamp = 0;
  #samples = new Float32Array(0);

  /**
   * @param {(pcm: Int16Array) => void} emit in the order of `push`, 24 kHz mono
   * @param {() => void} onerror it works no more
   */
  constructor(emit, onerror) {
    this.#decoder = new AudioDecoder({
      output: (data) => {
        const n = data.numberOfFrames;
        if (this.#samples.length !== n) this.#samples = new Float32Array(n);
        data.copyTo(this.#samples, { planeIndex: 0, format: "f32-planar" });
        const rate = data.sampleRate;
        data.close();
        emit(
          rate === RATE_HZ ? toPcm16(this.#samples) : this.#halfBand.halve(this.#samples),
        );
      },
      error: onerror,
    });
    this.#decoder.configure(DECODING);
  }

  /** @param {Uint8Array | null} packet null for one that was lost */
  push(packet) {
    this.#decoder.decode(
      new EncodedAudioChunk({
        type: "key",
        timestamp: this.#timestamp,
        duration: FRAME_US,
        data: /** @type {any} */ (packet ?? NOTHING),
      }),
    );
    this.#timestamp += FRAME_US;
  }

  close() {
    if (this.#decoder.state !== "closed") this.#decoder.close();
  }
}

/** @param {Float32Array} samples */
function toPcm16(samples) {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < pcm.length; i++) {
    pcm[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768)));
  }
  return pcm;
}
