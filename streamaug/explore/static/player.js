// Play the sounds of a clip together on one clock and let one of them be heard.
"use strict";

const FADE_S = 0.002; // time constant of the fade from one sound to the next, so that nothing clicks
const LEAD_S = 0.5; // for a sound that joins while others play: it is scheduled so early that it is on time

/**
 * All sounds of a clip run at the same time and are silent but for one: to switch is to turn a gain, and
 * cannot lose the place. wavesurfer.js takes this for a media element: it has those properties, methods
 * and events of one that are needed.
 */
class Player extends EventTarget {
  readyState = 4;
  paused = true;
  seeking = false;
  muted = false;
  volume = 1;
  playbackRate = 1;
  src = "";
  currentSrc = "";
  output = null; // what goes to the loudspeaker, once something has been played

  #rate;
  #context = null;
  #sounds = new Set();
  #voices = new Map();
  #heard = null;
  #minus = null;
  #anchor = { when: 0, time: 0 }; // the sounds are at `time` when the clock is at `when`; both in seconds
  #time = 0; // while paused
  #turn = 0;

  /** @param {number} rate Sample rate of all sounds in Hz. */
  constructor(rate) {
    super();
    this.#rate = rate;
  }

  get duration() {
    return this.#heard?.duration ?? 0;
  }

  get ended() {
    return this.paused && this.duration > 0 && this.#time >= this.duration;
  }

  /** Where the listener is, in seconds: what leaves the loudspeaker now. */
  get currentTime() {
    return this.paused ? this.#time : this.#at(this.#context.currentTime - (this.#context.outputLatency || 0));
  }

  set currentTime(time) {
    this.#time = this.#whole(Math.min(Math.max(0, time), this.duration));
    if (!this.paused) this.#restart();
    for (const name of ["seeking", "timeupdate", "seeked"]) this.#tell(name);
  }

  /** Where the sounds are when the clock is at a time. */
  #at(when) {
    return Math.min(Math.max(this.#anchor.time, this.#anchor.time + when - this.#anchor.when), this.duration);
  }

  /** The nearest sample of a time in seconds. */
  #whole(time) {
    return Math.round(time * this.#rate) / this.#rate;
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  /** Take a sound along, silent until it is used. */
  add(sound) {
    this.#sounds.add(sound);
    if (this.paused || this.#voices.has(sound)) return;
    const when = this.#whole(this.#context.currentTime + LEAD_S);
    if (this.#at(when) < this.duration) this.#begin(sound, when);
  }

  /** Leave a sound out. */
  remove(sound) {
    this.#sounds.delete(sound);
    this.#end(sound);
  }

  /**
   * Let a sound be heard from now on, at the place where the last one is.
   * @param {AudioBuffer} sound One of those that were added; null for none, which stops.
   * @param {AudioBuffer} minus A sound that is subtracted, sample by sample; null for none.
   */
  use(sound, minus = null) {
    const last = this.duration;
    this.#heard = sound;
    this.#minus = minus;
    if (!sound) this.pause();
    if (!sound) this.#time = 0;
    for (const voice of this.#voices.values()) this.#mix(voice);
    if (last !== this.duration) this.#tell("durationchange");
  }

  /** Turn a voice up or down, from the time on at which it begins. */
  #mix({ sound, gain, when }) {
    const level = Number(sound === this.#heard) - Number(sound === this.#minus);
    gain.gain.setTargetAtTime(level, Math.max(when, this.#context.currentTime), FADE_S);
  }

  #begin(sound, when) {
    const node = new AudioBufferSourceNode(this.#context, { buffer: sound });
    const gain = new GainNode(this.#context, { gain: 0 });
    node.connect(gain).connect(this.output);
    node.start(when, this.#whole(this.#at(when)));
    node.onended = () => {
      if (sound === this.#heard && this.#voices.get(sound)?.node === node) this.#finish();
    };
    const voice = { sound, node, gain, when };
    this.#voices.set(sound, voice);
    this.#mix(voice);
  }

  #end(sound) {
    const voice = this.#voices.get(sound);
    if (!voice) return;
    this.#voices.delete(sound);
    voice.node.stop();
    voice.gain.disconnect();
  }

  /** Begin all sounds where the listener wants to be. They are scheduled while the clock stands still,
   * so that all begin at the same sample. */
  async #restart() {
    const turn = ++this.#turn;
    this.#anchor = { when: this.#context.currentTime, time: this.#time };
    await this.#context.suspend();
    if (turn !== this.#turn) return; // another call came meanwhile
    for (const sound of [...this.#voices.keys()]) this.#end(sound);
    this.#anchor = { when: this.#context.currentTime, time: this.#time };
    for (const sound of this.#sounds) this.#begin(sound, this.#anchor.when);
    await this.#context.resume();
  }

  async play() {
    if (!this.paused || !this.#heard) return;
    if (!this.#context) {
      // Made here: a browser lets a page sound after a key or a click only.
      this.#context = new AudioContext({ sampleRate: this.#rate, latencyHint: "interactive" });
      this.output = new GainNode(this.#context);
      this.output.connect(this.#context.destination);
    }
    if (this.#time >= this.duration) this.#time = 0;
    this.paused = false;
    this.#tell("play");
    await this.#restart();
  }

  pause() {
    if (this.paused) return;
    this.#time = this.#whole(this.currentTime);
    this.#stop();
  }

  #finish() {
    this.#time = this.duration;
    this.#stop();
    this.#tell("ended");
  }

  #stop() {
    this.paused = true;
    this.#turn++;
    this.#context.suspend();
    this.#tell("pause");
    this.#tell("timeupdate");
  }

  toggle() {
    return this.paused ? this.play() : this.pause();
  }

  // What else wavesurfer.js calls of a media element.
  load() {}
  removeAttribute() {}
  canPlayType() {
    return "";
  }
}
