// The HTTP API, as this tab's user.
//
// The session's token lives in sessionStorage, so every tab is a user of its own and a reload
// keeps it. A duplicated tab is born with a copy of it, which the tabs find out by greeting each other.

const KEY = "riffbot.session";
const UNREACHABLE = "I cannot reach Riffbot right now. Is it still running? Your text is kept here.";

/** Why a call was refused: a sentence for people, and in how many seconds to try again, if known. */
export class ApiError extends Error {
  constructor(sentence, retryAfter = null) {
    super(sentence);
    this.retryAfter = retryAfter;
  }
}

/** Calls the server; fires `identity` whenever this tab's user or role changes. */
export class Api extends EventTarget {
  identity = null;
  #signingIn = null;
  #channel = "BroadcastChannel" in window ? new BroadcastChannel("riffbot.tabs") : null;
  #born = performance.timeOrigin;

  constructor() {
    super();
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#meetTab(data);
  }

  /** Confirm this tab's session or get one; concurrent callers share one request. */
  signIn() {
    this.#signingIn ??= this.#signIn().finally(() => (this.#signingIn = null));
    return this.#signingIn;
  }

  async #signIn() {
    const identity = await this.#send("POST", "/api/session", {}, sessionStorage.getItem(KEY));
    sessionStorage.setItem(KEY, identity.session);
    const before = this.identity;
    this.identity = identity;
    if (before?.user !== identity.user) this.#greetTabs();
    if (JSON.stringify(before) !== JSON.stringify(identity)) {
      this.dispatchEvent(new CustomEvent("identity", { detail: identity }));
    }
    return identity;
  }

  #greetTabs() {
    this.#channel?.postMessage({ user: this.identity.user, born: this.#born });
  }

  // Of two tabs that are the same user, the older one stays, the younger becomes somebody new.
  #meetTab({ user, born }) {
    if (user !== this.identity?.user) return;
    if (born > this.#born) this.#greetTabs();
    if (born >= this.#born) return;
    sessionStorage.removeItem(KEY);
    this.signIn().catch(() => {});
  }

  chat(text) {
    return this.#call("POST", "/api/chat", { text });
  }

  room() {
    return this.#call("GET", "/api/room");
  }

  /** Ask for a riff by its options; `source` names an upload. */
  riff(options) {
    return this.#call("POST", "/api/riffs", options);
  }

  /** Build on a clip; `how` is again, variation, extend or remix. */
  follow(riffId, how, options) {
    return this.#call("POST", `/api/riffs/${encodeURIComponent(riffId)}/${how}`, options);
  }

  /** Send a sound or picture to build on; gives its { source }. */
  async upload(file) {
    const kind = /^(audio|image|video)\//.test(file.type) ? file.type : "application/octet-stream";
    return this.#call("POST", "/api/sources", file, kind);
  }

  cancel(riffId) {
    return this.#call("DELETE", `/api/riffs/${encodeURIComponent(riffId)}`);
  }

  /** Trade the link's token for the owner's cookie. */
  async becomeOwner(token) {
    await this.#call("POST", "/api/owner", { token });
    await this.signIn();
  }

  async #call(method, path, body, kind) {
    const session = (this.identity ?? (await this.signIn())).session;
    return this.#send(method, path, body, session, kind);
  }

  async #send(method, path, body, session, kind = "application/json") {
    const headers = {};
    if (session) headers["X-Riffbot-Session"] = session;
    if (body !== undefined) headers["Content-Type"] = kind;
    const data = body instanceof Blob ? body : body && JSON.stringify(body);
    let response;
    try {
      response = await fetch(path, { method, headers, body: data });
    } catch {
      throw new ApiError(UNREACHABLE);
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const unexplained = `Riffbot answered with an error (${response.status}); please try again.`;
    throw new ApiError(answer.error ?? unexplained, answer.retry_after);
  }
}
