// The sounds of one clip: decoded once, kept as long as they fit.
"use strict";

const MOST_BYTES = 400e6; // of decoded sounds; a clip of ten seconds in eleven conditions has 20 MB

class Sounds {
  #source;
  #store;
  #player;
  #loading = new Map();

  /**
   * @param {ServerSource|ExportedSource} source Where the files come from.
   * @param {Object} store The store: sounds are decoded at its sample rate, so that nothing is resampled.
   * @param {Player} player Gets every sound that is loaded.
   */
  constructor(source, store, player) {
    this.#source = source;
    this.#store = store;
    this.#player = player;
  }

  /** Forget all sounds. */
  clear() {
    for (const condition of [...this.#loading.keys()]) this.#forget(condition);
  }

  #forget(condition) {
    const loading = this.#loading.get(condition);
    this.#loading.delete(condition);
    loading.then((sound) => this.#player.remove(sound), () => {});
  }

  /** The sound of a clip in a condition, as an AudioBuffer. */
  get(condition, clip) {
    if (!this.#loading.has(condition)) {
      const loading = this.#load(condition, clip);
      this.#loading.set(condition, loading);
      loading.then(
        (sound) => this.#loading.get(condition) === loading && this.#player.add(sound),
        () => this.#loading.get(condition) === loading && this.#loading.delete(condition),
      );
      for (const other of this.#loading.keys()) {
        if (this.#loading.size <= this.room(clip)) break;
        if (other !== condition && other !== "original") this.#forget(other);
      }
    }
    return this.#loading.get(condition);
  }

  /** How many sounds of a clip fit. */
  room(clip) {
    return Math.max(3, Math.floor(MOST_BYTES / (clip.samples * this.#store.channels * 4)));
  }

  async #load(condition, clip) {
    const file = await this.#source.sound(condition, clip.clip_id);
    return new OfflineAudioContext(1, 1, this.#store.rate).decodeAudioData(file);
  }
}

/** The samples of each channel of a sound, a new array each, minus those of another one. */
function channelsOf(sound, minus = null) {
  return Array.from({ length: sound.numberOfChannels }, (_, channel) => {
    const samples = sound.getChannelData(channel);
    const others = minus?.getChannelData(channel);
    return others ? samples.map((value, at) => value - others[at]) : samples;
  });
}
