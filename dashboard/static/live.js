// The one WebSocket of the page. Subscriptions outlive it: after a break all are made anew, and each listener
// gets a fresh snapshot. Server side: dashboard/live.py, dashboard/hub.py.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
// A topic that failed because something is away, or must not be read now, is asked for again after so long.
const AGAIN_MS = 3000;
const AWAY = new Set([401, 403, 429, 500, 503, 504]);

export class Live {
  // onState is called with "open" or "broken".
  constructor(onState) {
    this.topics = new Map();
    this.onState = onState;
    this.wait = FIRST_WAIT_MS;
    this.connect();
  }

  // Listen to a topic. handlers: {snapshot(value), changes(value), error(status)}, all may be left out; without
  // `changes` these go to `snapshot` too (topics that are sent whole). Returns what ends it.
  subscribe(topic, handlers) {
    // Each listener, and whether it has a snapshot: changes that were under way when it came are of another one.
    const listeners = this.topics.get(topic) ?? new Map();
    const isFirst = listeners.size === 0;
    this.topics.set(topic, listeners);
    listeners.set(handlers, false);
    if (isFirst) this.say({ subscribe: topic });
    else {
      // Only the server has a snapshot: take it anew.
      this.say({ unsubscribe: topic });
      this.say({ subscribe: topic });
    }
    return () => {
      if (!listeners.delete(handlers) || listeners.size) return;
      this.topics.delete(topic);
      this.say({ unsubscribe: topic });
    };
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  connect() {
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    this.socket.onopen = () => {
      this.wait = FIRST_WAIT_MS;
      this.onState("open");
      for (const topic of this.topics.keys()) this.say({ subscribe: topic });
    };
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = async () => {
      this.onState("broken");
      await this.checkSession();
      setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    };
  }

  // A session that has ended is told apart from a server that is away: a reload shows how to get a new one.
  async checkSession() {
    try {
      const response = await fetch("/static/page.js", { method: "HEAD", signal: AbortSignal.timeout(LONGEST_WAIT_MS) });
      if (response.status === 401) location.reload();
    } catch { /* the server is away */ }
  }

  take(frame) {
    const listeners = this.topics.get(frame.topic) ?? new Map();
    if (frame.error && listeners.size && AWAY.has(frame.error.code)) {
      setTimeout(() => this.topics.has(frame.topic) && this.say({ subscribe: frame.topic }), AGAIN_MS);
    }
    for (const [handlers, hasSnapshot] of [...listeners]) {
      if (frame.error) handlers.error?.(frame.error);
      else if (frame.snapshot !== undefined) {
        listeners.set(handlers, true);
        handlers.snapshot?.(frame.snapshot);
      } else if (hasSnapshot) (handlers.changes ?? handlers.snapshot)?.(frame.changes);
    }
  }
}
