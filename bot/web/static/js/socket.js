// What changes in the room, as it happens; comes back by itself after a lost connection.

const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;

/** Fires `up` when connected (also again), `down` when lost, and `riff`, `studio` and `preview` with
    what the server says. Previews are asked for only while the page can be seen. */
export class RoomSocket extends EventTarget {
  #api;
  #socket = null;
  #session = null;
  #wait = FIRST_WAIT;
  #timer = null;
  #greeted = false;

  constructor(api) {
    super();
    this.#api = api;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      this.#askForPreviews();
      if (!document.hidden) this.#hurry();
    });
  }

  async start() {
    clearTimeout(this.#timer);
    this.#timer = null;
    try {
      // Not only at first: a restarted server may not know this tab's session any more.
      const { session } = await this.#api.signIn();
      this.#open(session);
    } catch {
      this.#retry();
    }
  }

  /** Connect anew, unless this is the session that the connection was made with. */
  restartAs(session) {
    if (session !== this.#session) this.restart();
  }

  restart() {
    this.#socket?.close();
  }

  #open(session) {
    this.#session = session;
    const address = new URL("/api/socket", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(address));
    socket.onopen = () => {
      socket.send(JSON.stringify({ session, room: true }));
      this.#askForPreviews();
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => {
      this.#socket = null;
      this.#retry();
    };
  }

  #hear(message) {
    if (message.studio) {
      if (!this.#greeted) this.#greet();
      this.dispatchEvent(new CustomEvent("studio", { detail: message.studio }));
    }
    for (const kind of ["riff", "preview"]) {
      if (message[kind]) this.dispatchEvent(new CustomEvent(kind, { detail: message[kind] }));
    }
  }

  #askForPreviews() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ previews: !document.hidden }));
  }

  // The server's first word is about the studio: from here on nothing is missed.
  #greet() {
    this.#greeted = true;
    this.#wait = FIRST_WAIT;
    this.dispatchEvent(new CustomEvent("up"));
  }

  #retry() {
    this.#greeted = false;
    this.dispatchEvent(new CustomEvent("down"));
    // Tabs that lost the same server should not all come back in the same moment.
    this.#timer = setTimeout(() => this.start(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #hurry() {
    if (this.#timer === null) return;
    this.#wait = FIRST_WAIT;
    this.start();
  }
}
