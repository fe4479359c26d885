// One clip in all conditions: what is chosen, and what follows from it.
"use strict";

const store = JSON.parse(byId("store").textContent);
const source = store.is_exported ? new ExportedSource() : new ServerSource();
const player = new Player(store.rate);
const sounds = new Sounds(source, store, player);
const rows = [...document.querySelectorAll(".row")].map((item) => new Row(item));
const finder = new Finder(source, (name) => show(name));
const colours = getComputedStyle(document.documentElement);
const wave = WaveSurfer.create({
  container: byId("wave"),
  media: player,
  height: 56,
  cspNonce: store.nonce,
  waveColor: colours.getPropertyValue("--wave").trim(),
  progressColor: colours.getPropertyValue("--accent").trim(),
  cursorColor: colours.getPropertyValue("--accent").trim(),
  dragToSeek: true,
  hideScrollbar: true,
});

const state = {
  clip: null,
  row: 0, // the condition that is heard
  coded: Math.min(1, rows.length - 1), // the last one that was not the original
  is_difference: false,
  is_waiting: false, // whether to play as soon as there is something to play
  request: 0, // counts the clips that were to be shown
};

function say(problem) {
  byId("message").textContent = problem;
}

/** Show a clip, in the condition that is chosen. */
async function show(name) {
  const request = ++state.request;
  finder.select(name); // at once, so that the next key steps on from here
  state.is_waiting = !player.paused; // who was listening hears the next clip, too
  player.use(null);
  try {
    const clip = await source.clip(name);
    if (request !== state.request) return;
    sounds.clear();
    state.clip = clip;
    say("");
    byId("clip").textContent = byId("clip").title = clip.clip_id;
    byId("facts").textContent = [clip.target, clip.split, `${clip.seconds.toFixed(2)} s`].filter(Boolean).join(" · ");
    rows.forEach((row, at) => row.show(clip.conditions[at], clip));
    drawSeconds(byId("seconds"), clip.seconds);
    byId("time").max = clip.seconds;
    drawColumns(clip);
    drawRecipes(clip);
    await choose(state.row);
    if (request === state.request) await drawRows(request);
  } catch (error) {
    if (request === state.request) say(error.message);
  }
}

/** Hear a condition, at the same place if something is playing. */
async function choose(number) {
  if (!rows[number] || !state.clip) return;
  state.row = number;
  if (rows[number].name !== "original") state.coded = number;
  const { clip, is_difference } = state;
  const row = rows[number];
  for (const each of rows) each.button.setAttribute("aria-pressed", each === row);
  const title = is_difference ? `${row.name} minus original` : row.name;
  byId("hearing").textContent = `${title} (loading)`;
  byId("difference").setAttribute("aria-pressed", is_difference);
  drawProvenance(row.entry);
  byId("details").hidden = false; // all parts together, so that none moves another
  remember();
  try {
    const [sound, minus] = row.entry.sha256 ? await heard(row) : [null, null];
    if (clip !== state.clip || row !== rows[state.row] || is_difference !== state.is_difference) return; // chosen again meanwhile
    player.use(sound, minus);
    byId("hearing").textContent = title;
    enable(Boolean(sound));
    if (!sound) return;
    row.fail("");
    if (state.is_waiting) player.play();
    state.is_waiting = false;
    await drawWave(sound, minus);
  } catch (error) {
    if (clip !== state.clip || row !== rows[state.row]) return;
    row.fail(error.message);
    byId("hearing").textContent = title;
    player.use(null);
    enable(false);
  }
}

/** Draw a waveform; all of a clip have one scale, that of the original. */
async function drawWave(sound, minus) {
  const { clip } = state;
  if (!clip.peak) {
    const original = rows.find((row) => row.name === "original" && row.entry.sha256);
    const scale = original ? await sounds.get("original", clip).catch(() => sound) : sound;
    clip.peak = channelsOf(scale).reduce((most, samples) => samples.reduce((high, value) => Math.max(high, Math.abs(value)), most), 0);
    wave.setOptions({ normalize: true, maxPeak: clip.peak || 1 });
  }
  if (clip === state.clip) await wave.load("", channelsOf(sound, minus), sound.duration);
}

/** What is heard of a condition: its sound, and what is subtracted from it, the original or nothing. */
function heard(row) {
  return Promise.all([sounds.get(row.name, state.clip), state.is_difference ? sounds.get("original", state.clip) : null]);
}

/** Draw all spectrograms that are not drawn yet, the chosen one first, as many as fit into memory. */
async function drawRows(request) {
  const { is_difference } = state;
  const kind = is_difference ? "difference" : "sound";
  const is_wanted = () => request === state.request && is_difference === state.is_difference;
  for (const row of [rows[state.row], ...rows].slice(0, sounds.room(state.clip))) {
    if (row.problem || row.item.dataset.drawn === kind) continue;
    try {
      const [sound, minus] = await heard(row);
      if (is_wanted()) await row.draw(channelsOf(sound, minus), sound.sampleRate, kind, is_wanted);
    } catch (error) {
      if (is_wanted()) row.fail(error.message);
    }
    if (!is_wanted()) return;
  }
}

function enable(is_ready) {
  byId("play").disabled = !is_ready;
  byId("compare").disabled = byId("difference").disabled = false;
}

async function toggleDifference() {
  if (!state.clip) return;
  state.is_difference = !state.is_difference;
  for (const row of rows) if (row.entry?.sha256) row.fail(""); // what failed may not fail now
  await choose(state.row);
  await drawRows(state.request);
}

function chooseShown(number) {
  rows[number]?.item.scrollIntoView({ block: "nearest" });
  return choose(number).then(() => state.clip && drawRows(state.request));
}

/** Play or pause; what is not loaded yet plays when it is. */
function toggle() {
  if (player.duration) player.toggle();
  else state.is_waiting = !state.is_waiting;
}

/** Keep the clip and the condition in the address, to come back to. */
function remember() {
  history.replaceState(null, "", `#${new URLSearchParams({ clip: state.clip.clip_id, condition: rows[state.row].name })}`);
}

function follow() {
  const time = player.currentTime;
  const place = player.duration ? `${(100 * time) / player.duration}%` : "0%";
  for (const row of rows) row.cursor.style.left = place;
  byId("time").value = time;
  byId("clock").textContent = `${time.toFixed(2)} s`;
}

function tick() {
  follow();
  if (!player.paused) requestAnimationFrame(tick);
}

for (const name of ["play", "pause", "ended"]) {
  player.addEventListener(name, () => {
    byId("play").textContent = player.paused ? "Play" : "Pause";
    tick();
  });
}
player.addEventListener("seeking", follow);
player.addEventListener("durationchange", follow);

rows.forEach((row, number) => {
  row.button.addEventListener("click", () => chooseShown(number));
  drawKilohertz(row.item.querySelector(".kilohertz"), store.rate);
  const seek = (event) => {
    const box = row.frame.getBoundingClientRect();
    player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
  };
  row.frame.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".error")) return;
    row.frame.setPointerCapture(event.pointerId);
    seek(event);
  });
  row.frame.addEventListener("pointermove", (event) => event.buttons && seek(event));
});
drawScale(byId("scale-bar"), byId("scale-ticks"));
byId("play").addEventListener("click", toggle);
byId("compare").addEventListener("click", compare);
byId("difference").addEventListener("click", toggleDifference);
byId("time").addEventListener("input", () => (player.currentTime = Number(byId("time").value)));
byId("show-help").addEventListener("click", () => byId("help").showModal());

/** The original, or back to the coded sound. */
function compare() {
  return chooseShown(rows[state.row].name === "original" ? state.coded : rows.findIndex((row) => row.name === "original"));
}

const jump = (event, seconds) => (player.currentTime += event.shiftKey ? seconds / 5 : seconds);
listen({
  " ": toggle,
  "ArrowLeft": (event) => jump(event, -0.5),
  "ArrowRight": (event) => jump(event, 0.5),
  "ArrowUp": () => chooseShown(state.row - 1),
  "ArrowDown": () => chooseShown(state.row + 1),
  "Home": () => (player.currentTime = 0),
  "o": compare,
  "d": toggleDifference,
  "p": () => finder.step(-1),
  "n": () => finder.step(1),
  "/": () => byId("text").focus(),
  "?": () => byId("help").showModal(),
  digit: (digit) => chooseShown((digit + 9) % 10),
});

(async () => {
  const wanted = new URLSearchParams(location.hash.slice(1));
  state.row = Math.max(0, rows.findIndex((row) => row.name === wanted.get("condition")));
  if (rows[state.row].name !== "original") state.coded = state.row;
  await finder.find();
  const first = wanted.get("clip") ?? finder.first;
  if (first) await show(first);
})();
