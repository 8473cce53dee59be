// Plays arrivals through the page's own playout buffer: JSON on stdin, JSON on stdout.
// In: {nQuanta, quantum, events: [[quantum, pcm | null], …]}, null being a flush; an
// event is taken before the quantum of that number. Out: {heard, stats}.

import { PlayoutBuffer } from "../../web/audio/playout-buffer.js";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const { nQuanta, quantum, events } = JSON.parse(text);
const buffer = new PlayoutBuffer();
const heard = [];
const block = new Float32Array(quantum);
let next = 0;
for (let number = 0; number < nQuanta; number++) {
  while (next < events.length && events[next][0] <= number) {
    const pcm = events[next++][1];
    if (pcm === null) buffer.flush();
    else buffer.push(Int16Array.from(pcm));
  }
  buffer.pull(block);
  for (const sample of block) heard.push(Math.round(sample * 32768));
}
process.stdout.write(JSON.stringify({ heard, stats: buffer.stats() }));
