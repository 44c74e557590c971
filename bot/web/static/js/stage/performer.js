// Plays the session's timeline on the audio clock, without a gap.
//
// The server counts samples; the audio clock counts frames. A segment at sample s sounds at frame
// base + s, with `base` from both clocks and a second to spare. What was scheduled is never moved:
// when the clocks drift apart, the next segment simply takes the newer base, where the music
// changes anyway; where no next one comes, the loop joins itself at the right place. A segment that
// arrives late comes in late, at the place where it should be by now; until then what plays loops.

import { Difference, RATE } from "./clocks.js";
import { likeness } from "./joins.js";
import { Voice } from "./voice.js";

/** Seconds that the page is behind the server, to fetch and decode in. */
export const BEHIND = 1.0;

const AHEAD = 1.5 * RATE;
const SOONEST = Math.round(0.06 * RATE);
const TICK = 200;
const QUICK_TICK = 40;
const LOOKS = 15;
const FIRST_FADE = Math.round(0.6 * RATE);
const SELF_FADE = Math.round(0.12 * RATE);
const LEAVE_ALONE = 0.003 * RATE;
const SLIP_AT = 0.015 * RATE;
const ASTRAY = 10;
const STALL = 0.15;
const KEPT_JOINS = 200;

/** Fires `blocked` when the browser wants a gesture first, and `playing` when it is let. */
export class Performer extends EventTarget {
  #takes;
  #server;
  #context = null;
  #output = null;
  #volume;
  #anchor = new Difference(STALL, LOOKS);
  #astray = 0;
  #voices = [];
  #segments = [];
  #session = null;
  #report = { joins: [], slips: 0, stalls: 0, late: 0, started: null };

  constructor(takes, server, volume) {
    super();
    this.#takes = takes;
    this.#server = server;
    this.#volume = volume;
    takes.addEventListener("sound", () => this.#tick());
  }

  /** Begin, as soon as the browser lets it. */
  start() {
    this.#context = new AudioContext({ sampleRate: RATE, latencyHint: "playback" });
    this.#output = new GainNode(this.#context, { gain: this.#volume });
    this.#output.connect(this.#context.destination);
    this.#context.onstatechange = () => this.#onState();
    this.#keepTicking();
    setTimeout(() => this.#onState(), 300);
  }

  /** Call in a click: browsers let sound start only then. */
  unlock() {
    return this.#context.resume();
  }

  get isRunning() {
    return this.#context?.state === "running";
  }

  /** Planned and actual frames of every join, and what went wrong, for whoever wants to know:
      { joins: [{ number, planned, actual, spare, fade, base, correlation }], late, slips, stalls,
      started }. Frames are those of the audio clock; `spare` is how early a join was scheduled. */
  get report() {
    return structuredClone({ ...this.#report, sounding: this.#voices.length });
  }

  /** What is to be played from now on: segments in order, by a newer state. */
  play(session, segments) {
    if (session !== this.#session) {
      this.silence();
      this.#session = session;
    }
    this.#segments = segments;
    this.#retract();
    this.#tick();
  }

  /** Fade out, and play nothing more. */
  silence() {
    for (const voice of this.#voices) voice.end(0.15);
    this.#fading(this.#voices);
    this.#voices = [];
    this.#segments = [];
    this.#session = null;
  }

  /** The sample of the session that is heard at a time of `performance.now()`, or null. */
  heardAt(time) {
    if (!this.isRunning || !this.#anchor.settled) return null;
    const latency = this.#context.outputLatency || this.#context.baseLatency || 0;
    const frame = (time / 1000 + this.#anchor.value - latency) * RATE;
    const voice = this.#voices.findLast((one) => one.begunBy(frame)) ?? this.#voices[0];
    return voice ? frame - voice.base : null;
  }

  #keepTicking() {
    this.#tick();
    const wait = this.isRunning && !this.#anchor.settled ? QUICK_TICK : TICK;
    setTimeout(() => this.#keepTicking(), wait);
  }

  #onState() {
    this.#anchor.forget();
    this.dispatchEvent(new Event(this.isRunning ? "playing" : "blocked"));
    this.#tick();
  }

  get #now() {
    return Math.round(this.#context.currentTime * RATE);
  }

  // Frames of the audio clock minus samples of the session, as of now.
  get #base() {
    const difference = this.#anchor.value * RATE - this.#server.sampleAt(0);
    return Math.round(difference + BEHIND * RATE);
  }

  #tick() {
    if (!this.isRunning) return;
    this.#compareClocks();
    if (!this.#anchor.settled || !this.#server.settled) return;
    this.#clearUp();
    while (this.#enterNext());
    this.#slip();
  }

  #compareClocks() {
    const difference = this.#context.currentTime - performance.now() / 1000;
    if (this.#anchor.settled && Math.abs(difference - this.#anchor.value) > STALL) {
      this.#report.stalls++;
    }
    this.#anchor.add(difference);
  }

  #clearUp() {
    const now = this.#now;
    for (const voice of this.#voices) if (voice.over < now) voice.drop();
    this.#voices = this.#voices.filter((voice) => voice.over >= now);
  }

  // What is scheduled but not begun, and no longer listed or listed otherwise, is taken back.
  #retract() {
    const now = this.isRunning ? this.#now : 0;
    while (this.#voices.length) {
      const last = this.#voices[this.#voices.length - 1];
      const listed = this.#segments.find(({ number }) => number === last.segment.number);
      const same = listed && listed.start === last.segment.start && listed.take === last.segment.take;
      if (same || last.begunBy(now + SOONEST / 2)) return;
      this.#voices.pop();
      last.drop();
      this.#report.joins = this.#report.joins.filter((one) => one.voice !== last.at);
      this.#voices[this.#voices.length - 1]?.stay();
    }
  }

  #enterNext() {
    const last = this.#voices[this.#voices.length - 1];
    const base = this.#settle(last);
    const now = this.#now;
    const due = this.#segments.filter(
      ({ number, start }) => number > (last?.segment.number ?? -1) && base + start < now + AHEAD,
    );
    const ready = due.filter(({ take }) => this.#takes.sound(take));
    // Of several that should sound already, only the latest does.
    const begun = ready.filter(({ start }) => base + start <= now);
    const segment = begun.length ? begun[begun.length - 1] : ready[0];
    // One that is not there yet may still come in time.
    if (!segment || (due[0] !== segment && !begun.length)) return false;
    const planned = base + segment.start;
    const at = Math.max(planned, now + SOONEST);
    const follows = last?.segment.number === segment.number - 1;
    this.#join(segment, {
      base,
      at,
      planned,
      fade: last ? segment.fade : FIRST_FADE,
      correlation: follows ? segment.correlation : 0,
    });
    return true;
  }

  // Small differences of the clocks are noise.
  #settle(last) {
    const base = this.#base;
    return last && Math.abs(base - last.base) < LEAVE_ALONE ? last.base : base;
  }

  #slip() {
    const last = this.#voices[this.#voices.length - 1];
    const now = this.#now;
    const lag = last ? last.base - this.#base : 0;
    this.#astray = Math.abs(lag) < SLIP_AT ? 0 : this.#astray + 1;
    if (this.#astray < ASTRAY || now < last.at + last.fade) return;
    this.#astray = 0;
    const at = now + SOONEST;
    const first = at - last.base - last.segment.origin;
    const correlation = likeness(last.buffer.getChannelData(0), first, lag, SELF_FADE);
    const base = this.#base;
    this.#report.slips++;
    this.#join(last.segment, { base, at, planned: at, fade: SELF_FADE, correlation });
  }

  #join(segment, { planned, ...how }) {
    const last = this.#voices[this.#voices.length - 1];
    const voice = new Voice(this.#output, this.#takes.sound(segment.take), segment, how);
    last?.leaveFor(voice);
    this.#voices.push(voice);
    // In time only if the audio clock has not passed it while it was being scheduled.
    const spare = how.at - this.#now;
    const actual = spare > 0 ? how.at : this.#now;
    const { number } = segment;
    if (last && actual > planned) this.#report.late++;
    this.#report.started ??= actual;
    this.#report.joins.push({
      number, planned, actual, spare, voice: how.at, fade: how.fade, base: how.base,
      correlation: how.correlation,
    });
    if (this.#report.joins.length > KEPT_JOINS) this.#report.joins.shift();
  }

  #fading(voices) {
    setTimeout(() => voices.forEach((voice) => voice.drop()), 1000);
  }
}
