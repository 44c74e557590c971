// One loop at a time through Web Audio, without a seam.
//
// A clip is decoded once into a buffer of exactly its own samples, and a buffer source with `loop`
// wraps from the last sample to the first. All times come from the audio clock.

const RATE = 44100;
const FADE = 0.06;
const KEPT_BUFFERS = 12;
const VOLUME_KEY = "riffbot.volume";

/** Plays clips; fires `change` with a clip's id whenever it starts, stops, loads or fails. */
export class Player extends EventTarget {
  #context = null;
  #master = null;
  #meter = null;
  #samples = new Float32Array(2048);
  #sounds = new Map();
  #current = null;
  #loading = null;
  #resting = new Map();
  #volume = readVolume();

  /** The clip that plays or played last, or null. */
  last = null;

  /** When somebody last pressed play or pause, in `performance.now()` milliseconds. */
  touched = 0;

  get volume() {
    return this.#volume;
  }

  /** 0 to 1; remembered across visits. */
  set volume(value) {
    this.#volume = value;
    localStorage.setItem(VOLUME_KEY, String(value));
    this.#master?.gain.setTargetAtTime(loudness(value), this.#context.currentTime, 0.02);
  }

  /** Call in a click or key press: browsers let sound start only then. */
  unlock() {
    if (!this.#context) {
      this.#context = new AudioContext({ sampleRate: RATE, latencyHint: "playback" });
      this.#master = new GainNode(this.#context, { gain: loudness(this.#volume) });
      this.#meter = new AnalyserNode(this.#context, { fftSize: this.#samples.length });
      this.#master.connect(this.#meter).connect(this.#context.destination);
    }
    return this.#context.resume();
  }

  /** The clip that sounds now, or null. */
  get playing() {
    return this.#current?.clip ?? null;
  }

  isPlaying(clip) {
    return this.#current?.clip.id === clip.id;
  }

  isLoading(clip) {
    return this.#loading?.id === clip.id;
  }

  /** Somebody pressed the button of this clip. */
  toggle(clip) {
    this.touched = performance.now();
    if (this.isPlaying(clip)) return this.pause();
    if (this.isLoading(clip)) return this.#stopLoading();
    return this.play(clip);
  }

  /** Start a clip where it was left; whatever else plays fades out.

      Throws: when neither its MP3 nor its WAV can be loaded. */
  async play(clip) {
    this.unlock();
    this.#stopLoading();
    this.#loading = clip;
    this.#tell(clip);
    let sound;
    try {
      sound = await this.load(clip);
    } finally {
      if (this.#loading !== clip) return;
      this.#loading = null;
      if (!sound) this.#tell(clip);
    }
    this.#start(clip, sound, this.#resting.get(clip.id) ?? 0);
  }

  /** Like `play`, but gives up quietly where the browser wants a gesture first. */
  async playIfAllowed(clip) {
    const allowed = await Promise.race([
      this.unlock().then(() => true),
      new Promise((resolve) => setTimeout(resolve, 300, false)),
    ]);
    if (allowed && this.#context.state === "running") await this.play(clip);
  }

  pause() {
    const { clip } = this.#current;
    this.#resting.set(clip.id, this.position(clip));
    this.#stop();
    this.#tell(clip);
  }

  /** Move to `seconds` from the loop's start, playing or not. */
  seek(clip, seconds) {
    const wrapped = ((seconds % clip.seconds) + clip.seconds) % clip.seconds;
    this.#resting.set(clip.id, wrapped);
    if (this.isPlaying(clip)) this.#start(clip, this.#current.sound, wrapped);
    else this.#tell(clip);
  }

  /** Seconds from the loop's start: of what is heard now, or where it was left. */
  position(clip) {
    if (!this.isPlaying(clip)) return this.#resting.get(clip.id) ?? 0;
    const { startedAt, offset, sound } = this.#current;
    const heard = this.#context.currentTime - (this.#context.outputLatency || 0) - startedAt;
    return (offset + Math.max(heard, 0)) % sound.buffer.duration;
  }

  /** The level that leaves for the loudspeaker: RMS in dB below full scale, -Infinity if silent. */
  level() {
    if (!this.#meter) return -Infinity;
    this.#meter.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, value) => sum + value * value, 0);
    return 10 * Math.log10(power / this.#samples.length);
  }

  /** Decode a clip: { buffer, source }, where `source` is "mp3", or "wav" if the MP3 came out at
      another length than the clip has (a decoder without gapless support pads it). */
  load(clip) {
    let sound = this.#sounds.get(clip.id);
    if (!sound) {
      sound = this.#decode(clip);
      sound.catch(() => this.#sounds.delete(clip.id));
    }
    // Re-inserting keeps the map in order of use.
    this.#sounds.delete(clip.id);
    this.#sounds.set(clip.id, sound);
    for (const id of this.#sounds.keys()) {
      if (this.#sounds.size <= KEPT_BUFFERS) break;
      this.#sounds.delete(id);
    }
    return sound;
  }

  async #decode({ links, samples, sample_rate: rate }) {
    const expected = Math.round((samples * RATE) / rate);
    try {
      const buffer = await this.#fetchBuffer(links.mp3);
      if (buffer.length === expected) return { buffer, source: "mp3" };
    } catch {
      // A browser without MP3, or a missing file: the WAV says which.
    }
    return { buffer: await this.#fetchBuffer(links.wav), source: "wav" };
  }

  async #fetchBuffer(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the sound is missing (${response.status})`);
    return this.#context.decodeAudioData(await response.arrayBuffer());
  }

  #start(clip, sound, offset) {
    const before = this.#current?.clip;
    this.#stop();
    const now = this.#context.currentTime;
    const gain = new GainNode(this.#context, { gain: 0 });
    const node = new AudioBufferSourceNode(this.#context, { buffer: sound.buffer, loop: true });
    node.connect(gain).connect(this.#master);
    gain.gain.setValueAtTime(0, now).linearRampToValueAtTime(1, now + FADE);
    node.start(now, offset);
    this.#current = { clip, sound, node, gain, startedAt: now, offset };
    this.last = clip;
    if (before && before.id !== clip.id) this.#tell(before);
    this.#tell(clip);
  }

  #stop() {
    if (!this.#current) return;
    const { clip, node, gain } = this.#current;
    if (!this.#resting.has(clip.id)) this.#resting.set(clip.id, 0);
    const now = this.#context.currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, FADE / 4);
    node.stop(now + 2 * FADE);
    this.#current = null;
  }

  #stopLoading() {
    const clip = this.#loading;
    this.#loading = null;
    if (clip) this.#tell(clip);
  }

  #tell(clip) {
    this.dispatchEvent(new CustomEvent("change", { detail: clip.id }));
  }
}

// Equal steps of the slider should sound equal.
const loudness = (volume) => volume * volume;

function readVolume() {
  const stored = Number(localStorage.getItem(VOLUME_KEY) ?? NaN);
  return stored >= 0 && stored <= 1 ? stored : 0.8;
}
