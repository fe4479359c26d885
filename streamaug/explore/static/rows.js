// One row per condition: its name, numbers and spectrogram, in step with the sound.
"use strict";

const MOST_FRAMES = 1000;

class Row {
  /** @param {Element} item The row in the page. */
  constructor(item) {
    this.item = item;
    this.name = item.dataset.condition;
    this.button = item.querySelector(".pick");
    this.canvas = item.querySelector("canvas");
    this.cursor = item.querySelector(".cursor");
    this.frame = item.querySelector(".frame");
    this.problem = "";
  }

  /** Show the numbers of a clip, and no spectrogram yet. */
  show(entry, clip) {
    this.entry = entry;
    this.fail(entry.error ?? (entry.is_missing ? "This condition does not have the clip." : ""));
    const numbers = [];
    if (entry.kbps !== undefined) numbers.push(`${entry.kbps.toFixed(1)} kbps`);
    if (typeof entry.grade === "number") numbers.push(`PEAQ ${entry.grade.toFixed(2)}`);
    this.item.querySelector(".numbers").textContent = numbers.join(" · ") || "\u00a0";
    const link = this.item.querySelector(".download");
    link.hidden = entry.sha256 === undefined;
    if (!link.hidden) {
      link.href = source.bitstream(this.name, clip);
      link.download = `${clip.clip_id}.${this.name}.${entry.extension}`;
      link.textContent = entry.extension;
      link.setAttribute("aria-label", `Download the bitstream of ${this.name}, ${entry.extension}, ${entry.bytes} bytes`);
    }
    this.#blank();
  }

  /** Show what is wrong; an empty text for nothing. */
  fail(problem) {
    this.problem = problem;
    this.item.querySelector(".error").textContent = problem;
    if (problem) this.#blank();
  }

  #blank() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    delete this.item.dataset.drawn;
  }

  /**
   * Draw a spectrogram.
   * @param {Float32Array[]} channels Samples of each channel.
   * @param {number} rate Sample rate in Hz.
   * @param {string} kind `sound` or `difference`.
   * @param {function(): boolean} is_wanted Whether it is still to be seen when it is ready.
   */
  async draw(channels, rate, kind, is_wanted) {
    const { bins, frames, levels } = await levelsOf(channels, rate, MOST_FRAMES);
    if (!is_wanted()) return;
    const image = new ImageData(frames, bins);
    for (let frame = 0; frame < frames; frame++) {
      for (let bin = 0; bin < bins; bin++) {
        paint(levels[frame * bins + bin], image.data, 4 * ((bins - 1 - bin) * frames + frame));
      }
    }
    this.canvas.width = frames;
    this.canvas.height = bins;
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.canvas.setAttribute("aria-label", `Spectrogram of ${kind === "difference" ? "the difference of " : ""}${this.name}`);
    this.item.dataset.drawn = kind;
  }
}
