// An application of @openai/agents-realtime as its users write it. Only the URL differs.
import {
  OpenAIRealtimeWebRTC,
  RealtimeAgent,
  RealtimeSession,
  tool,
} from "/sdk/openai-realtime-agents.mjs";

const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

/** Played without any sound for this long: what had arrived before has been played. */
const QUIET_MS = 200;

/** Share of all energy so far that is no sound. */
const SILENCE = 1e-4;

/** One session and everything it has told the application. */
class Talk {
  events = [];
  energies = [];
  errors = [];
  toolCalls = [];

  constructor({ callsUrl, overWebSocket, hostedTools = [] }) {
    this.speaker = document.createElement("audio");
    const getWeather = tool({
      name: "get_weather",
      description: "The weather in a city.",
      parameters: CITY,
      execute: ({ city }) => {
        this.toolCalls.push(city);
        return { temperature: -7, sky: "snowing" };
      },
    });
    this.session = new RealtimeSession(
      new RealtimeAgent({
        name: "helper",
        instructions: "Help.",
        tools: [getWeather, ...hostedTools],
      }),
      {
        transport: overWebSocket
          ? "websocket"
          : new OpenAIRealtimeWebRTC({ baseUrl: callsUrl, audioElement: this.speaker }),
      },
    );
    this.session.on("error", ({ error }) => this.errors.push(inWords(error)));
    this.session.on("transport_event", (event) => this.note(event));
    this.session.on("transport_event", ({ type }) => this.noteEnergy(type));
    for (const kind of ["agent_end", "audio_interrupted", "mcp_tool_call_completed"]) {
      this.session.on(kind, () => this.note({ type: `session:${kind}` }));
    }
  }

  note(event) {
    this.events.push({ type: event.type, at_ms: performance.now(), event });
  }

  /**
   * What had been played when the fake's output buffer started, when it was cleared, and
   * when the browser's jitter buffer had nothing left either.
   */
  async noteEnergy(type) {
    const [buffer, moment] = type.split(".");
    if (buffer !== "output_audio_buffer") return;
    let energy = await this.energy();
    this.energies.push([moment, energy]);
    if (moment !== "cleared") return;
    let before;
    do {
      before = energy;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      energy = await this.energy();
    } while (energy - before > SILENCE * before);
    this.energies.push(["drained", energy]);
  }

  count(type) {
    return this.events.filter((event) => event.type === type).length;
  }

  /** "role: words" of every message in the SDK's own history. */
  transcript() {
    return this.session.history
      .filter((item) => item.type === "message")
      .map(({ role, content }) => {
        const words = content.map((part) => part.transcript ?? part.text ?? "");
        return `${role}: ${words.join(" ")}`;
      });
  }

  /** Energy of all audio played so far, as the browser's statistics count it. */
  async energy() {
    const { peerConnection } = this.session.transport.connectionState;
    const report = await peerConnection.getStats();
    const [inbound] = [...report.values()].filter((each) => each.type === "inbound-rtp");
    return inbound?.totalAudioEnergy ?? 0;
  }
}

function inWords(error) {
  return error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
}

window.connect = async (options) => {
  window.talk = new Talk(options);
  const { token, socketUrl } = options;
  await window.talk.session.connect({ apiKey: token, ...(socketUrl && { url: socketUrl }) });
};
