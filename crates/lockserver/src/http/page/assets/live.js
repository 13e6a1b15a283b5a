// The event stream, read with fetch because EventSource can send no key. It resumes by itself.

import { identity, setClock } from "./api.js";

// The server sends something so often, and is taken for lost if it does not.
const HEARTBEAT_S = 3;
const SILENCE = 7000;
const PAUSES = [500, 1000, 2000, 5000];

/** Whether an event is after another; ids are TERM-SEQUENCE. */
export function isAfter(id, seen) {
  const [term, sequence] = id.split("-").map(Number);
  const [seenTerm, seenSequence] = seen.split("-").map(Number);
  return term !== seenTerm || sequence > seenSequence;
}

/**
 * Follows the events after `seen` until it is stopped. `on` has: event(id, kind, data), reset(), live(), lost(),
 * back() after a gap, and refused(status) for a stream that this caller may not have, or not now.
 */
export class Stream {
  constructor(path, seen, on) {
    Object.assign(this, { path, seen, on, stopped: false, tries: 0 });
    this.wake = () => this.again?.();
    addEventListener("online", this.wake);
    this.offline = () => this.abort?.abort();
    addEventListener("offline", this.offline);
    document.addEventListener("visibilitychange", this.wake);
    this.run();
  }

  stop() {
    this.stopped = true;
    removeEventListener("online", this.wake);
    removeEventListener("offline", this.offline);
    document.removeEventListener("visibilitychange", this.wake);
    this.abort?.abort();
    this.again?.();
  }

  async run() {
    while (!this.stopped) {
      this.abort = new AbortController();
      try {
        await this.read();
      } catch {
        // Whatever it was, the stream is over.
      }
      clearTimeout(this.silence);
      if (this.stopped) return;
      this.broken = true;
      this.on.lost();
      const pause = PAUSES[Math.min(this.tries++, PAUSES.length - 1)];
      await new Promise((go) => {
        this.again = go;
        setTimeout(go, pause);
      });
    }
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.abort.abort(), SILENCE);
  }

  async read() {
    this.heard();
    const headers = { Accept: "text/event-stream", "Last-Event-ID": this.seen, ...identity() };
    const response = await fetch(`${this.path}${this.path.includes("?") ? "&" : "?"}heartbeat_s=${HEARTBEAT_S}`, { headers, cache: "no-store", signal: this.abort.signal });
    setClock(response);
    if (!response.ok) {
      this.on.refused(response.status);
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.stopped) return;
      this.heard();
      this.tries = 0;
      this.on.live();
      if (this.broken) this.on.back();
      this.broken = false;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      for (const frame of frames) this.take(frame);
    }
  }

  take(frame) {
    let id, kind, data = "";
    for (const line of frame.split("\n")) {
      if (line.startsWith("id: ")) id = line.slice(4);
      else if (line.startsWith("event: ")) kind = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (id) this.seen = id;
    if (kind === "reset") this.on.reset();
    else if (data) this.on.event(id, kind, JSON.parse(data));
  }
}
