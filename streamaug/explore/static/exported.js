// The clips and sounds of an exported page. A page from a disk may load scripts, but nothing else, so
// each clip's sounds are a script that calls exported.receive.
"use strict";

const exported = {
  clips: [],
  sounds: new Map(),

  /** Called by the script of a clip with its sounds, in base64 by condition. */
  receive(clip, sounds) {
    this.sounds.set(clip, sounds);
  },
};

class ExportedSource {
  #scripts = new Map();

  async clips(text, filters, start) {
    const found = exported.clips.filter((clip) => this.#matches(clip, text.toLowerCase(), filters));
    return { clips: found.slice(start), start, total: found.length };
  }

  #matches(clip, text, filters) {
    const cells = new Map([["clip_id", [clip.clip_id]], ...clip.columns.map(([name, value]) => [name, [value, ...value.split(", ")]])]);
    const contains = (value, part) => value.toLowerCase().includes(part.toLowerCase());
    const tests = {
      "is": (values, wanted) => values.some((value) => wanted.includes(value)),
      "is not": (values, wanted) => !values.some((value) => wanted.includes(value)),
      "contains": (values, [part]) => values.some((value) => contains(value, part)),
      "at least": (values, [limit]) => values.some((value) => value !== "" && Number(value) >= Number(limit)),
      "at most": (values, [limit]) => values.some((value) => value !== "" && Number(value) <= Number(limit)),
    };
    const is_found = !text || store.searched.some((name) => cells.get(name).some((value) => contains(value, text)));
    return is_found && filters.every(([column, operator, ...wanted]) => tests[operator](cells.get(column), wanted));
  }

  async values(column) {
    const counts = new Map();
    for (const clip of exported.clips) {
      const value = column === "clip_id" ? clip.clip_id : clip.columns.find(([name]) => name === column)[1];
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    return { values: [...counts].sort(), is_complete: true };
  }

  async clip(clip) {
    const known = exported.clips.find((each) => each.clip_id === clip);
    if (!known) throw new Error(`no clip '${clip}' on this page`);
    return known;
  }

  async sound(condition, clip) {
    const { script } = await this.clip(clip);
    if (!this.#scripts.has(script)) this.#scripts.set(script, this.#load(script));
    await this.#scripts.get(script);
    const text = atob(exported.sounds.get(clip)[condition]);
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
  }

  #load(script) {
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error(`${script} is missing; export the page again`));
      document.head.append(element("script", { src: script, onload: resolve, onerror: failed }));
    });
  }

  bitstream(condition, clip) {
    return clip.conditions.find((each) => each.name === condition).bitstream;
  }
}
