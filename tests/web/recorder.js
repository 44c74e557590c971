// Sends what it hears, one block per message, with the frame at which the block begins.
registerProcessor("recorder", class extends AudioWorkletProcessor {
  #kept = [];
  #from = 0;

  process([input]) {
    if (!this.#kept.length) this.#from = currentFrame;
    this.#kept.push(input[0]?.slice() ?? new Float32Array(128));
    if (this.#kept.length === 256) this.#send();
    return true;
  }

  #send() {
    const samples = new Float32Array(this.#kept.length * 128);
    this.#kept.forEach((block, index) => samples.set(block, index * 128));
    this.port.postMessage({ frame: this.#from, samples }, [samples.buffer]);
    this.#kept = [];
  }
});
