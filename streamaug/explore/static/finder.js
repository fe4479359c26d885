// Find clips: a text, filters by column, and a list by pages.
"use strict";

class Finder {
  #source;
  #open;
  #filters = [];
  #start = 0;
  #page = { clips: [], start: 0, total: 0 };
  #request = 0;
  #selected = "";

  /**
   * @param {ServerSource|ExportedSource} source Where clips are looked for.
   * @param {function(string)} open Called with the name of the clip to show.
   */
  constructor(source, open) {
    this.#source = source;
    this.#open = open;
    let waiting;
    byId("text").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.find(), 150);
    });
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      if (byId("value").value || document.activeElement === byId("add")) this.#add();
      else this.find();
    });
    byId("column").addEventListener("change", () => this.#offer());
    byId("value").addEventListener("focus", () => this.#offer());
    byId("previous").addEventListener("click", () => this.find(this.#start - store.page));
    byId("next").addEventListener("click", () => this.find(this.#start + store.page));
  }

  /** Show the clips that match, from one on. */
  async find(start = 0) {
    const request = ++this.#request;
    try {
      const page = await this.#source.clips(byId("text").value.trim(), this.#filters, start);
      if (request !== this.#request) return; // a later one was faster
      this.#page = page;
      this.#start = start;
      this.#draw();
      byId("count").classList.remove("problem");
    } catch (error) {
      if (request !== this.#request) return;
      byId("count").textContent = error.message;
      byId("count").classList.add("problem");
    }
  }

  #draw() {
    const { clips, start, total } = this.#page;
    byId("count").textContent = `${total.toLocaleString("en")} of ${store.clips.toLocaleString("en")} clips`;
    byId("clips").replaceChildren(...clips.map((clip) => this.#item(clip)));
    byId("clips").scrollTop = 0;
    byId("pages").textContent = total ? `${(start + 1).toLocaleString("en")} to ${(start + clips.length).toLocaleString("en")}` : "none";
    byId("previous").disabled = start === 0;
    byId("next").disabled = start + clips.length >= total;
  }

  #item(clip) {
    const about = [clip.target, clip.split].filter(Boolean).join(" · ");
    const button = element(
      "button",
      { type: "button", title: clip.clip_id },
      element("span", { className: "id" }, clip.clip_id),
      element("span", { className: "about" }, about),
    );
    button.dataset.clip = clip.clip_id;
    if (clip.clip_id === this.#selected) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => this.#open(clip.clip_id));
    return element("li", {}, button);
  }

  /** Mark a clip in the list. */
  select(clip) {
    this.#selected = clip;
    for (const button of byId("clips").querySelectorAll("button")) {
      if (button.dataset.clip === clip) {
        button.setAttribute("aria-current", "true");
        button.scrollIntoView({ block: "nearest" });
      } else button.removeAttribute("aria-current");
    }
  }

  /** The first clip of the list; undefined if there is none. */
  get first() {
    return this.#page.clips[0]?.clip_id;
  }

  /** Open the clip that many places after the selected one; at the end of a page, on the next one. */
  async step(places) {
    const { clips, total } = this.#page;
    const at = clips.findIndex((clip) => clip.clip_id === this.#selected) + places;
    if (at < 0 && this.#start > 0) {
      await this.find(this.#start - store.page);
      return this.#open(this.#page.clips.at(-1).clip_id);
    }
    if (at >= clips.length && this.#start + clips.length < total) {
      await this.find(this.#start + store.page);
      return this.#open(this.first);
    }
    if (clips[at]) this.#open(clips[at].clip_id);
  }

  #add() {
    this.#filters.push([byId("column").value, byId("operator").value, byId("value").value]);
    byId("value").value = "";
    this.#drawFilters();
    this.find();
  }

  #drawFilters() {
    const items = this.#filters.map((filter) => {
      const [column, operator, ...values] = filter;
      const text = `${column} ${operator} ${values.join(", ") || "(nothing)"}`;
      const button = element("button", { type: "button", "aria-label": `Remove the filter ${text}` }, `${text} ×`);
      button.addEventListener("click", () => {
        this.#filters = this.#filters.filter((each) => each !== filter);
        this.#drawFilters();
        this.find();
      });
      return element("li", {}, button);
    });
    byId("filters").replaceChildren(...items);
  }

  /** Offer the values of the chosen column. */
  async #offer() {
    const column = byId("column").value;
    const { values } = await this.#source.values(column).catch(() => ({ values: [] }));
    if (column !== byId("column").value) return;
    byId("values").replaceChildren(...values.map(([value, clips]) => element("option", { value }, `${clips} clips`)));
  }
}
