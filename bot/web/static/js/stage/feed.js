// What the server tells the stage, as it happens; comes back by itself after a lost connection.
//
// Fires `state` with a State or null (no session is on), `pong` with { sent, received, now }, and
// `standing` with connecting, up, lost, gone (the key is wrong or was revoked) or full.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 5000;
const REFUSED_WAIT = 20000;
const REVOKED = 4001;
const QUICK_PINGS = 8;
const QUICK_EVERY = 150;
const PING_EVERY = 2000;

export class StageFeed extends EventTarget {
  #path;
  #socket = null;
  #wait = FIRST_WAIT;
  #timer = null;
  #pings = 0;
  #pinger = null;

  /** `path`: of the stage's API, with its key. */
  constructor(path) {
    super();
    this.#path = path;
    addEventListener("online", () => this.#hurry());
  }

  /** Connect, and stay connected. */
  async start() {
    clearTimeout(this.#timer);
    this.#timer = null;
    let status = 0;
    try {
      // A refused WebSocket does not say why; this does.
      status = (await fetch(this.#path, { cache: "no-store" })).status;
    } catch {
      return this.#retry("lost");
    }
    if (status === 404) return this.#retry("gone", REFUSED_WAIT);
    if (status === 429) return this.#retry("full", REFUSED_WAIT);
    if (status !== 200) return this.#retry("lost");
    this.#open();
  }

  #open() {
    const address = new URL(`${this.#path}/socket`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(address));
    socket.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#tell("standing", "up");
      this.#pings = 0;
      this.#ping();
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => {
      clearTimeout(this.#pinger);
      this.#socket = null;
      if (code === REVOKED) this.#retry("gone", REFUSED_WAIT);
      else this.#retry("lost");
    };
  }

  #hear(message) {
    const received = performance.now();
    if ("pong" in message) {
      this.#tell("pong", { sent: message.pong, received, now: message.now });
    } else if ("on" in message) {
      this.#tell("state", message.on ? message.state : null);
    }
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ ping: performance.now() }));
    this.#pings++;
    const wait = this.#pings < QUICK_PINGS ? QUICK_EVERY : PING_EVERY;
    this.#pinger = setTimeout(() => this.#ping(), wait);
  }

  /** Compare the clocks anew, quickly: another session has begun. */
  pingAgain() {
    clearTimeout(this.#pinger);
    this.#pings = 0;
    this.#ping();
  }

  #retry(standing, wait = this.#wait) {
    this.#tell("standing", standing);
    // Stages that lost the same server should not all come back in the same moment.
    this.#timer = setTimeout(() => this.start(), wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #hurry() {
    if (this.#timer === null) return;
    this.#wait = FIRST_WAIT;
    this.start();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
