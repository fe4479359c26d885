// Level by frequency and time: the same numbers as streamaug.pages.spectrogram gives.
"use strict";

/** A fast Fourier transform of one length, a power of two. */
class Fourier {
  constructor(length) {
    this.length = length;
    this.cosine = Float64Array.from({ length: length / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / length));
    this.sine = Float64Array.from({ length: length / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / length));
    const bits = Math.log2(length);
    this.reversed = Uint32Array.from({ length }, (_, k) => {
      let mirrored = 0;
      for (let bit = 0; bit < bits; bit++) mirrored |= ((k >> bit) & 1) << (bits - 1 - bit);
      return mirrored;
    });
    this.real = new Float64Array(length);
    this.imaginary = new Float64Array(length);
  }

  /** Transform real and imaginary in place; their values are in the order of `reversed`. */
  run() {
    const { length, real, imaginary } = this;
    for (let size = 2; size <= length; size *= 2) {
      const half = size / 2;
      const step = length / size;
      for (let start = 0; start < length; start += size) {
        for (let k = 0; k < half; k++) {
          const low = start + k;
          const high = low + half;
          const c = this.cosine[k * step];
          const s = this.sine[k * step];
          const x = real[high] * c + imaginary[high] * s;
          const y = imaginary[high] * c - real[high] * s;
          real[high] = real[low] - x;
          imaginary[high] = imaginary[low] - y;
          real[low] += x;
          imaginary[low] += y;
        }
      }
    }
  }
}

const BLOCK_MS = 30; // after which keys and the cursor go first

/**
 * Levels in dB, at least FLOOR; 0 dB is a sine at full scale.
 *
 * A Hann window of about 25 ms moves by a quarter of its length. Frames of a long sound are averaged
 * in power, so that nothing is left out; of two channels, the mean power counts.
 * @param {Float32Array[]} channels Samples of each channel.
 * @param {number} rate Sample rate in Hz.
 * @param {number} most The most frames to return.
 * @returns {Promise<{bins: number, frames: number, levels: Float32Array}>} Frame by frame, from 0 Hz to half the rate.
 */
async function levelsOf(channels, rate, most) {
  const length = 2 ** Math.max(4, Math.round(Math.log2(0.025 * rate)));
  const window = Float64Array.from({ length }, (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / length));
  const hop = length / 4;
  const samples = channels[0].length;
  const steps = Math.floor(samples / hop) + 1;
  const together = Math.ceil(steps / most);
  const frames = Math.ceil(steps / together);
  const bins = length / 2 + 1;
  const fourier = new Fourier(length);
  const levels = new Float32Array(frames * bins);
  const power = new Float64Array(bins);
  const scale = (4 / length) ** 2; // 2 / the sum of the window
  let begun = performance.now();
  for (let frame = 0; frame < frames; frame++) {
    if (performance.now() - begun > BLOCK_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      begun = performance.now();
    }
    power.fill(0);
    const last = Math.min(steps, (frame + 1) * together);
    for (let step = frame * together; step < last; step++) {
      // Two real signals, as the real and the imaginary part of one, take one transform.
      const start = step * hop - length / 2;
      for (let k = 0; k < length; k++) {
        const at = start + k;
        const to = fourier.reversed[k];
        const is_inside = at >= 0 && at < samples;
        fourier.real[to] = is_inside ? channels[0][at] * window[k] : 0;
        fourier.imaginary[to] = is_inside && channels[1] ? channels[1][at] * window[k] : 0;
      }
      fourier.run();
      for (let bin = 0; bin < bins; bin++) {
        const mirrored = (length - bin) % length;
        const a = fourier.real[bin] + fourier.real[mirrored];
        const b = fourier.imaginary[bin] - fourier.imaginary[mirrored];
        const c = fourier.imaginary[bin] + fourier.imaginary[mirrored];
        const d = fourier.real[mirrored] - fourier.real[bin];
        power[bin] += (a * a + b * b + c * c + d * d) / 4;
      }
    }
    const mean = scale / ((last - frame * together) * channels.length);
    for (let bin = 0; bin < bins; bin++) levels[frame * bins + bin] = Math.max(FLOOR, 10 * Math.log10(power[bin] * mean));
  }
  return { bins, frames, levels };
}
