// One segment that sounds: a take that loops, from the sample of the audio clock at which it comes
// in until it has gone.

import { RATE } from "./clocks.js";
import { fadeCurves, modulo } from "./joins.js";

export class Voice {
  #source;
  #comes;
  #goes;

  /** Schedules it.

      `base`: frames of the audio clock minus samples of the session. `at`: the frame at which it
      begins to come in, over `fade` frames. */
  constructor(output, buffer, segment, { base, at, fade, correlation }) {
    const context = output.context;
    Object.assign(this, { segment, buffer, base, at, fade, over: Infinity });
    const curves = fadeCurves(correlation);
    this.leavingBefore = curves.leaving;
    this.#source = new AudioBufferSourceNode(context, { buffer, loop: true });
    this.#comes = new GainNode(context, { gain: 0 });
    // Two gains, because it may have to go before it has come.
    this.#goes = new GainNode(context);
    this.#source.connect(this.#comes).connect(this.#goes).connect(output);
    const gained = curves.coming.map((gain) => gain * segment.gain);
    this.#comes.gain.setValueCurveAtTime(gained, at / RATE, fade / RATE);
    const offset = modulo(at - base - segment.origin, buffer.length);
    this.#source.start(at / RATE, offset / RATE);
  }

  /** Whether it has begun at a frame. */
  begunBy(frame) {
    return this.at <= frame;
  }

  /** Go while `next` comes. */
  leaveFor(next) {
    this.over = next.at + next.fade;
    this.#goes.gain.setValueCurveAtTime(next.leavingBefore, next.at / RATE, next.fade / RATE);
  }

  /** The next one was taken back before it began: stay. */
  stay() {
    this.over = Infinity;
    this.#goes.gain.cancelScheduledValues(0);
    this.#goes.gain.value = 1;
  }

  /** Fade out over some seconds from now. */
  end(seconds) {
    const { currentTime } = this.#goes.context;
    this.over = Math.min(this.over, Math.round((currentTime + 6 * seconds) * RATE));
    this.#goes.gain.cancelAndHoldAtTime?.(currentTime);
    this.#goes.gain.setTargetAtTime(0, currentTime, seconds);
  }

  /** Let go of everything. */
  drop() {
    this.#source.stop();
    this.#goes.disconnect();
  }
}
