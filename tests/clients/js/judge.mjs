// Reads events, one JSON object a line; prints those the SDK's own schema refuses.
import { createInterface } from "node:readline";
import { realtimeServerEventSchema } from "./node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs";

const known = new Set(
  realtimeServerEventSchema.options.flatMap(({ shape }) => [...shape.type.values]),
);

for await (const line of createInterface({ input: process.stdin })) {
  const event = JSON.parse(line);
  const { success, error } = realtimeServerEventSchema.safeParse(event);
  if (success) continue;
  const complaint = known.has(event.type)
    ? error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")
    : "unknown";
  console.log(JSON.stringify([event.type, complaint]));
}
