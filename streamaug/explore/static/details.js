// How a condition was made, the columns of a clip, and the recipes that hold it.
"use strict";

function drawProvenance(entry) {
  if (!entry?.steps) {
    byId("provenance").replaceChildren(element("p", {}, entry?.error ?? "This condition does not have the clip."));
    return;
  }
  const steps = entry.steps.map((step) =>
    listing([
      ["step", step.step],
      ["encoder", `${step.encoder} ${step.version} (${step.adapter})`],
      ["input", `${step.rate} Hz`],
      ["arguments", Object.entries(step.arguments).map(([name, value]) => `${name} ${value}`).join("\n") || "none"],
    ]),
  );
  const bitstream = listing([
    ["decoded as", entry.codec],
    ["bitrate", `${entry.kbps.toFixed(1)} kbps, measured`],
    ["delay", `${entry.delay} samples, cut`],
    ["PEAQ grade", gradeOf(entry)],
    ["settings", entry.settings],
    ["shard", `${entry.shard}, ${entry.bytes} bytes at ${entry.offset}`],
    ["sha256", entry.sha256],
  ]);
  byId("provenance").replaceChildren(element("p", { className: "what" }, entry.name), ...steps, bitstream);
}

function gradeOf(entry) {
  if (entry.name === "original") return "none, it is what grades compare with";
  if (typeof entry.grade === "number") return `${entry.grade.toFixed(2)} (0 no difference, -4 very annoying)`;
  return entry.grade_error ?? "not measured; see streamaug quality";
}

function drawColumns(clip) {
  byId("table").replaceChildren(listing([["clip_id", clip.clip_id], ...clip.columns]));
}

function drawRecipes(clip) {
  if (!byId("recipes")) return;
  const read = `${clip.recipes_read} ${clip.recipes_read === 1 ? "recipe" : "recipes"}`;
  if (!clip.recipes.length) {
    byId("recipes").replaceChildren(element("p", {}, `None of ${read}, drawn from split '${clip.recipes_split}'.`));
    return;
  }
  byId("recipes").replaceChildren(
    element("p", {}, `${clip.recipes.length} of ${read}, drawn from split '${clip.recipes_split}':`),
    listing(clip.recipes.map((recipe) => [recipe.title, `${recipe.draw}: ${recipe.conditions}\n${recipe.path}`])),
  );
}
