// Ticks of seconds, kHz and dB.
"use strict";

/** Round numbers from 0 to at most `last`, about `count` of them. */
function roundNumbers(last, count) {
  const rough = last / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * unit >= rough * 0.999) * unit;
  return Array.from({ length: Math.floor(last / step + 1e-9) + 1 }, (_, number) => Number((number * step).toPrecision(12)));
}

/**
 * Write the ticks of an axis.
 * @param {Element} axis Where.
 * @param {number[]} numbers Their values, ascending.
 * @param {function(number): number} place From a value to its place, from 0 to 1.
 * @param {string} side `left` or `bottom`: where places are counted from.
 * @param {string} unit Written after the last one.
 */
function drawTicks(axis, numbers, place, side, unit) {
  const ticks = numbers.map((number, at) => {
    const tick = element("span", { className: "tick" }, at === numbers.length - 1 ? `${number} ${unit}` : `${number}`);
    tick.style[side] = `${100 * place(number)}%`;
    if (place(number) > 0.95) tick.classList.add("end");
    return tick;
  });
  axis.replaceChildren(...ticks);
}

function drawSeconds(axis, duration) {
  const numbers = roundNumbers(duration, axis.clientWidth > 500 ? 10 : 5);
  drawTicks(axis, numbers, (second) => second / duration, "left", "s");
}

function drawKilohertz(axis, rate) {
  const half = rate / 2000;
  drawTicks(axis, roundNumbers(half, 4), (kilohertz) => kilohertz / half, "bottom", "kHz");
}

function drawScale(bar, ticks) {
  bar.style.backgroundImage = gradient();
  drawTicks(ticks, [FLOOR, -70, -40, TOP], (level) => (level - FLOOR) / (TOP - FLOOR), "left", "dB");
}
