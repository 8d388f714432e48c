// The panel's channels: on or off, colour, window over a histogram.

import { ask } from "./server.js";

const template = document.getElementById("channel");

/** A channel with its controls; calls changed() when it is to be shown otherwise. */
export class Channel {
  constructor(index, data, image, changed) {
    this.index = index;
    this.image = image;
    this.changed = changed;
    this.first = { ...data.window, color: data.color, active: data.active, lut: data.lut ?? null };
    this.inverted = data.inverted ?? false;
    this.whole = image.whole;
    const part = template.content.cloneNode(true);
    this.element = part.querySelector("fieldset");
    const find = (name) => this.element.querySelector(`.${name}`);
    this.parts = Object.fromEntries(
      ["active", "label", "color", "histogram", "low", "high", "low-number", "high-number", "auto", "full"].map((n) => [n, find(n)]),
    );
    const label = /^\d+$/.test(data.label) && data.emissionWave == null ? `Channel ${Number(data.label) + 1}` : data.label;
    this.label = label;
    this.parts.label.textContent = label;
    this.element.querySelector("legend").textContent = label;
    this.parts.active.setAttribute("aria-label", `Show ${label}`);
    this.parts.color.setAttribute("aria-label", `Colour of ${label}`);
    for (const [name, words] of [["low", "Darkest"], ["low-number", "Darkest"], ["high", "Brightest"], ["high-number", "Brightest"]]) {
      this.parts[name].setAttribute("aria-label", `${words} value of ${label}`);
    }
    this.restore();
    this.listen();
  }

  /** Take what the image says of itself. */
  restore() {
    const { start, end, color, active, lut } = this.first;
    Object.assign(this, { start, end, color, active, lut });
    this.parts.active.checked = active;
    this.parts.color.value = `#${color.toLowerCase()}`;
    this.range();
    this.show();
  }

  listen() {
    const { parts } = this;
    parts.active.addEventListener("change", () => this.toggle(parts.active.checked));
    parts.color.addEventListener("input", () => {
      this.color = parts.color.value.slice(1).toUpperCase();
      this.lut = null;
      this.apply();
    });
    parts.low.addEventListener("input", () => this.window(Math.min(Number(parts.low.value), this.end), this.end));
    parts.high.addEventListener("input", () => this.window(this.start, Math.max(Number(parts.high.value), this.start)));
    parts["low-number"].addEventListener("change", () => this.number(Number(parts["low-number"].value), this.end));
    parts["high-number"].addEventListener("change", () => this.number(this.start, Number(parts["high-number"].value)));
    parts.auto.addEventListener("click", () => this.histogram && this.window(...spread(this.histogram.percentiles)));
    parts.full.addEventListener("click", () => this.histogram && this.window(...spread([this.histogram.min, this.histogram.max])));
  }

  toggle(active = !this.active) {
    this.active = active;
    this.parts.active.checked = active;
    if (active) this.read(this.position);
    this.apply();
  }

  number(start, end) {
    if (Number.isFinite(start) && Number.isFinite(end) && start <= end) this.window(start, end);
    else this.show();
  }

  window(start, end) {
    this.start = this.whole ? Math.round(start) : start;
    this.end = this.whole ? Math.round(end) : end;
    this.range();
    this.apply();
  }

  apply() {
    this.show();
    this.changed();
  }

  /** The sliders go as far as the pixels and the window do. */
  range() {
    const from = this.histogram && this.histogram.sampled ? [this.histogram.min, this.histogram.max] : [this.start, this.end];
    this.least = Math.min(from[0], this.start);
    this.greatest = Math.max(from[1], this.end);
    if (!(this.greatest > this.least)) this.greatest = this.least + 1;
    const step = this.whole ? 1 : "any";
    for (const name of ["low", "high"]) {
      Object.assign(this.parts[name], { min: this.least, max: this.greatest, step });
    }
  }

  show() {
    const { parts } = this;
    this.element.style.setProperty("--color", `#${this.color}`);
    parts.low.value = this.start;
    parts.high.value = this.end;
    parts["low-number"].value = rounded(this.start);
    parts["high-number"].value = rounded(this.end);
    this.draw();
  }

  /** Read the histogram of a plane, unless another is asked for before it comes. */
  async read(position) {
    this.position = position;
    if (!this.active || !position) return;
    this.reading?.abort();
    this.reading = new AbortController();
    const { z, t } = position;
    const name = encodeURIComponent(this.image.name);
    try {
      const path = `webgateway/histogram_json/${name}/channel/${this.index}/?theZ=${z}&theT=${t}`;
      this.histogram = await ask(path, this.reading.signal);
      this.range();
      this.show();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  draw() {
    const canvas = this.parts.histogram;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !this.histogram) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const { data, min, max } = this.histogram;
    const place = (value) => (value - this.least) / (this.greatest - this.least) * width;
    const most = Math.sqrt(Math.max(...data, 1));
    context.fillStyle = legible(this.color);
    const step = (max - min) / data.length || 1;
    context.globalAlpha = 0.85;
    data.forEach((count, i) => {
      const left = place(min + i * step), right = Math.max(place(min + (i + 1) * step), left + 0.6);
      const tall = Math.sqrt(count) / most * (height - 3);
      context.fillRect(left, height - tall, right - left, tall);
    });
    context.globalAlpha = 1;
    context.strokeStyle = getComputedStyle(canvas).color;
    context.beginPath();
    context.moveTo(place(this.start), height);
    context.lineTo(place(this.end), 1);
    context.stroke();
    canvas.setAttribute("aria-label", `Histogram of ${this.label}: values ${rounded(min)} to ${rounded(max)}`);
  }
}

function spread([low, high]) {
  return high > low ? [low, high] : [low, low + 1];
}

function rounded(value) {
  return Number(value.toPrecision(6));
}

/** Black, white and dark colours would not be seen on every ground: mix some grey in. */
function legible(color) {
  const parts = [0, 2, 4].map((i) => parseInt(color.slice(i, i + 2), 16));
  const colorless = Math.max(...parts) - Math.min(...parts) < 40;
  return colorless ? "#8b95a5" : `rgb(${parts.map((part) => Math.round(0.72 * part + 0.28 * 140)).join(" ")})`;
}
