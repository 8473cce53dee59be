/**
 * Worker that owns the audio data channel, so that audio never waits for the page.
 *
 * In: `{type: "start", channel, capture, playout}`, `{type: "use", framing}`,
 * `{type: "stats"}`, `{type: "close"}`. Out: `open`, `close`, `text`, `stats`.
 */

import { AudioPump } from "./audio-pump.js";

/** @type {AudioPump | null} */
let pump = null;

self.onmessage = ({ data }) => {
  if (data.type === "start") {
    pump = new AudioPump(data.channel, data.capture, data.playout, {
      onopen: () => self.postMessage({ type: "open" }),
      onclose: (why) => self.postMessage({ type: "close", why }),
      ontext: (text) => self.postMessage({ type: "text", text }),
    });
  }
  if (data.type === "use") pump?.use(data.framing);
  if (data.type === "stats" && pump) {
    self.postMessage({ type: "stats", stats: pump.stats() });
  }
  if (data.type === "close") {
    pump?.close();
    self.close();
  }
};
