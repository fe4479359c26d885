// Ask the server for clips and sounds. exported.js gives the same from files.
"use strict";

class ServerSource {
  async #get(name, parameters) {
    const answer = await fetch(`api/${name}?${new URLSearchParams(parameters)}`).catch(() => null);
    if (!answer) throw new Error("The server does not answer; is 'streamaug explore' still running?");
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({ error: `The server answers ${answer.status}; its terminal says why.` }));
    throw new Error(problem.error);
  }

  /**
   * A page of clips: {clips, start, total}.
   * @param {string} text Part of a name or label.
   * @param {string[][]} filters Column, operator and values of each.
   * @param {number} start First clip of the page.
   */
  async clips(text, filters, start) {
    const parameters = [["text", text], ["start", start], ...filters.map((each) => ["filter", JSON.stringify(each)])];
    return (await this.#get("clips", parameters)).json();
  }

  /** The values of a column: {values: [[value, clips], ...], is_complete}. */
  async values(column) {
    return (await this.#get("values", { column })).json();
  }

  /** All about a clip. */
  async clip(clip) {
    return (await this.#get("clip", { clip })).json();
  }

  /** The file of a sound, as an ArrayBuffer. */
  async sound(condition, clip) {
    return (await this.#get("sound", { condition, clip })).arrayBuffer();
  }

  /** Where the encoder's own bytes are. */
  bitstream(condition, clip) {
    return `api/bitstream?${new URLSearchParams({ condition, clip: clip.clip_id })}`;
  }
}
