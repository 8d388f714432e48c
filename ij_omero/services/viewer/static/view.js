// The page of one image.

import "./theme.js";
import { Channel } from "./channels.js";
import { showFacts } from "./facts.js";
import { Rois } from "./rois.js";
import { drawScaleBar } from "./scale.js";
import { ask, enter, root, tell, untell } from "./server.js";
import { Pyramid } from "./tiles.js";

const SETTLED = 90; // milliseconds without a change until tiles are asked for
const FRAME = 250; // at least between two timepoints that are played
const MOST_LISTED = 500; // ROIs
const byId = (id) => document.getElementById(id);
const name = decodeURIComponent(location.pathname.split("/").at(-1));

class Page {
  constructor(image, data) {
    this.image = { ...image, name, width: data.size.width, height: data.size.height, whole: !/float|double|complex/.test(image.pixelsType) };
    this.data = data;
    this.pyramid = new Pyramid(name, data.size, image.levels);
    this.z = Math.min(data.rdefs.defaultZ, data.size.z - 1);
    this.t = Math.min(data.rdefs.defaultT, data.size.t - 1);
    this.projection = "normal";
    this.grey = data.rdefs.model === "greyscale";
    this.layers = [];
    this.channels = data.channels.map((channel, i) => new Channel(i, channel, this.image, () => this.later()));
    byId("channels").append(...this.channels.map((channel) => channel.element));
    byId("grey").checked = this.grey;
    byId("name").textContent = document.title = image.name || `Image ${name}`;
    byId("where").textContent = [image.owner, image.dataset].filter(Boolean).join(" · ");
    showFacts(image);
    this.recall();
    this.dimensions(); // before the viewer opens: they take some of its height
    this.viewer = this.open();
    this.rois = new Rois(byId("rois"), this.viewer, this.image);
    this.controls();
    this.keys();
    this.swap();
    this.histograms();
    this.readRois().catch(tell);
  }

  get position() { return { z: this.z, t: this.t, projected: this.projection !== "normal" }; }

  // ---- the viewer

  open() {
    const viewer = OpenSeadragon({
      element: byId("canvas"),
      drawer: "canvas",
      showNavigationControl: false,
      showNavigator: true,
      navigatorPosition: "BOTTOM_RIGHT",
      navigatorAutoFade: false,
      navigatorSizeRatio: 0.16,
      navigatorBackground: "#101114",
      navigatorOpacity: 1,
      maxZoomPixelRatio: 24,
      minZoomImageRatio: 0.7,
      visibilityRatio: 0.2,
      animationTime: 0.5,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      imageLoaderLimit: 6,
      tileRetryMax: 3,
      tileRetryDelay: 1200,
      maxImageCacheCount: 300,
    });
    viewer.addHandler("canvas-key", (event) => {
      const own = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.originalEvent.key);
      if (!own) event.preventDefaultAction = true;
    });
    for (const event of ["update-viewport", "resize"]) viewer.addHandler(event, () => this.drawn());
    viewer.addHandler("animation-finish", () => this.remember());
    viewer.addHandler("tile-load-failed", (event) => this.failed(event));
    new OpenSeadragon.MouseTracker({ element: viewer.container, moveHandler: (event) => this.pointed(event.position) });
    return viewer;
  }

  /** Show what is set, on top of what was shown before, which goes when all of the new has come. */
  swap() {
    const look = { channels: this.channels, grey: this.grey, z: this.z, t: this.t, projection: this.projection, version: this.image.version };
    byId("busy").hidden = false;
    this.viewer.addTiledImage({
      tileSource: this.pyramid.source(look),
      success: ({ item }) => {
        const first = !this.layers.length;
        const complete = this.layers.filter((layer) => layer.getFullyLoaded()).at(-1) ?? this.layers[0];
        this.drop((layer) => layer !== complete);
        this.layers.push(item);
        const settle = () => {
          if (!item.getFullyLoaded()) return;
          this.drop((layer) => layer !== item && this.layers.indexOf(layer) < this.layers.indexOf(item));
          if (this.layers.at(-1) === item) this.settled();
        };
        item.addHandler("fully-loaded-change", settle);
        settle();
        if (first) this.first();
        this.rois.draw(this.position);
      },
      error: (event) => tell(new Error(event.message)),
    });
  }

  drop(which) {
    const gone = this.layers.filter(which);
    this.layers = this.layers.filter((layer) => !gone.includes(layer));
    gone.forEach((layer) => this.viewer.world.removeItem(layer));
  }

  settled() {
    byId("busy").hidden = true;
    if (!this.lost) untell();
    this.lost = false;
    document.body.dataset.settled = String(Number(document.body.dataset.settled ?? 0) + 1);
    this.waiting?.();
    this.waiting = null;
  }

  /** Wait with new tiles until whoever drags a slider pauses. */
  later(histograms = false) {
    clearTimeout(this.timer);
    this.stale ||= histograms;
    this.timer = setTimeout(() => {
      this.swap();
      if (this.stale) this.histograms();
      this.stale = false;
      this.remember();
    }, SETTLED);
  }

  first() {
    const { viewport } = this.viewer;
    if (!this.pyramid.whole) {
      const least = this.pyramid.smallest * this.image.width / viewport.getContainerSize().x;
      viewport.minZoomLevel = least;
      if (!this.seen) viewport.zoomTo(least, null, true);
      tell(new Error("This image has no smaller resolution levels: only a part of it can be shown at once."));
      this.lost = true;
    }
    if (this.seen) {
      viewport.panTo(new OpenSeadragon.Point(this.seen.x / this.image.width, this.seen.y / this.image.width), true);
      viewport.zoomTo(this.seen.scale * this.image.width / viewport.getContainerSize().x, null, true);
    }
  }

  async failed(event) {
    this.lost = true;
    try {
      const answer = await fetch(event.tile.getUrl());
      if (!answer.ok) tell(new Error(answer.status === 401 ? "This page has no access any more: open the address that the server printed." : (await answer.text()).trim()));
    } catch {
      tell(new Error("The server does not answer any more. Was it stopped?"));
    }
  }

  get scale() {
    const { viewport } = this.viewer;
    return viewport.getZoom(true) * viewport.getContainerSize().x / this.image.width;
  }

  drawn() {
    this.rois?.draw(this.position);
    const { scale } = this;
    const width = this.viewer.viewport.getContainerSize().x;
    drawScaleBar(byId("scale-bar"), scale, this.data.pixel_size.x, width);
    const percent = 100 * scale;
    byId("zoom").textContent = `${percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))} %`;
    const smooth = scale < 2;
    if (smooth !== this.smooth) {
      this.smooth = smooth;
      this.viewer.drawer.setImageSmoothingEnabled(smooth);
    }
  }

  pointed(pixel) {
    const point = this.viewer.viewport.pointFromPixel(pixel, true);
    const x = Math.floor(point.x * this.image.width), y = Math.floor(point.y * this.image.width);
    const inside = x >= 0 && y >= 0 && x < this.image.width && y < this.image.height;
    byId("place").textContent = inside ? `x ${x}, y ${y}` : "";
  }

  // ---- controls

  dimensions() {
    const { size } = this.data;
    byId("dimensions").hidden = size.z < 2 && size.t < 2;
    for (const axis of ["z", "t"]) {
      byId(`${axis}-row`).hidden = size[axis] < 2;
      const slider = byId(axis);
      slider.max = size[axis] - 1;
      slider.addEventListener("input", () => this.go(axis, Number(slider.value)));
      this.text(axis);
    }
    byId("projection").addEventListener("change", (event) => {
      this.projection = event.target.value;
      byId("z").disabled = this.projection !== "normal";
      this.later();
    });
    byId("play").addEventListener("click", () => this.play());
  }

  go(axis, place) {
    const last = this.data.size[axis] - 1;
    const next = Math.min(last, Math.max(0, place));
    if (next === this[axis]) return;
    this[axis] = next;
    this.text(axis);
    this.later(true);
  }

  text(axis) {
    const step = this.image.physicalSizes[axis];
    const measured = step ? ` (${Number((step.value * this[axis]).toPrecision(4))} ${step.unit})` : "";
    byId(axis).value = this[axis];
    byId(`${axis}-text`).textContent = `${this[axis] + 1} / ${this.data.size[axis]}${measured}`;
  }

  async play() {
    const button = byId("play");
    this.playing = !this.playing;
    button.setAttribute("aria-pressed", String(this.playing));
    button.textContent = this.playing ? "Stop" : "Play";
    while (this.playing) {
      this.t = (this.t + 1) % this.data.size.t;
      this.text("t");
      const shown = new Promise((done) => { this.waiting = done; });
      this.swap();
      await Promise.all([shown, new Promise((done) => setTimeout(done, FRAME))]);
    }
    this.histograms();
  }

  controls() {
    const { viewport } = this.viewer;
    byId("zoom-in").addEventListener("click", () => viewport.zoomBy(1.5).applyConstraints());
    byId("zoom-out").addEventListener("click", () => viewport.zoomBy(1 / 1.5).applyConstraints());
    byId("fit").addEventListener("click", () => viewport.goHome());
    byId("show-rois").addEventListener("click", () => this.toggleRois());
    byId("show-panel").addEventListener("click", () => this.togglePanel());
    byId("help-button").addEventListener("click", () => byId("help").showModal());
    byId("grey").addEventListener("change", (event) => { this.grey = event.target.checked; this.later(); });
    byId("reset").addEventListener("click", () => {
      this.channels.forEach((channel) => channel.restore());
      this.grey = byId("grey").checked = this.data.rdefs.model === "greyscale";
      this.later();
    });
    new ResizeObserver(() => this.channels.forEach((channel) => channel.draw())).observe(byId("channels"));
    document.addEventListener("theme", () => this.channels.forEach((channel) => channel.draw()));
  }

  togglePanel() {
    const narrow = document.body.classList.toggle("narrow");
    byId("panel").hidden = narrow;
    byId("show-panel").setAttribute("aria-pressed", String(!narrow));
  }

  toggleRois() {
    this.rois.shown = !this.rois.shown;
    byId("show-rois").setAttribute("aria-pressed", String(this.rois.shown));
    this.rois.draw();
  }

  keys() {
    const { viewport } = this.viewer;
    const does = {
      ",": () => this.go("z", this.z - 1),
      ".": () => this.go("z", this.z + 1),
      "[": () => this.go("t", this.t - 1),
      "]": () => this.go("t", this.t + 1),
      "+": () => viewport.zoomBy(1.5).applyConstraints(),
      "=": () => viewport.zoomBy(1.5).applyConstraints(),
      "-": () => viewport.zoomBy(1 / 1.5).applyConstraints(),
      "0": () => viewport.goHome(),
      r: () => this.toggleRois(),
      p: () => this.togglePanel(),
      "?": () => byId("help").showModal(),
      " ": () => this.data.size.t > 1 && this.play(),
    };
    document.addEventListener("keydown", (event) => {
      const { target, key } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
      if (target.matches("select, input:not([type=checkbox])") || (key === " " && target.matches("button, input, summary, a"))) return;
      const channel = /^[1-9]$/.test(key) ? this.channels[Number(key) - 1] : null;
      if (channel) channel.toggle();
      else if (does[key]) does[key]();
      else return;
      event.preventDefault();
    });
  }

  histograms() {
    for (const channel of this.channels) channel.read({ z: this.z, t: this.t }).catch(tell);
  }

  // ---- ROIs

  async readRois() {
    const rois = await this.rois.read();
    if (!rois.length) return;
    byId("roi-section").hidden = byId("show-rois").hidden = false;
    byId("roi-count").textContent = rois.length > MOST_LISTED ? `${rois.length}, the first ${MOST_LISTED} listed` : `${rois.length}`;
    for (const roi of rois.slice(0, MOST_LISTED)) {
      const entry = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      const text = roi.shapes.find((shape) => shape.textValue)?.textValue;
      const kinds = [...new Set(roi.shapes.map((shape) => shape.type.toLowerCase()))].join(", ");
      button.textContent = [roi.name ?? text ?? `ROI ${roi.id}`, kinds].join(": ");
      button.addEventListener("click", () => this.visit(roi));
      entry.append(button);
      byId("roi-list").append(entry);
    }
    this.rois.draw(this.position);
  }

  /** Go to a ROI's plane and place. */
  visit(roi) {
    this.rois.chosen = roi;
    if (!this.rois.shown) this.toggleRois();
    const shape = roi.shapes[0];
    if (shape.theZ >= 0) this.go("z", shape.theZ);
    if (shape.theT >= 0) this.go("t", shape.theT);
    const boxes = this.rois.shapes.filter((one) => one.roi === roi).map((one) => one.box);
    const [left, top, right, bottom] = [0, 1, 2, 3].map((i) => Math[i < 2 ? "min" : "max"](...boxes.map((box) => box[i])));
    const margin = Math.max(40, right - left, bottom - top);
    const width = this.image.width;
    this.viewer.viewport.fitBounds(new OpenSeadragon.Rect((left - margin) / width, (top - margin) / width, (right - left + 2 * margin) / width, (bottom - top + 2 * margin) / width));
    this.rois.draw();
  }

  // ---- the place in the address, so that it can be passed on

  remember() {
    if (!this.layers.length) return;
    const center = this.viewer.viewport.getCenter();
    const place = new URLSearchParams({
      z: this.z, t: this.t,
      x: Math.round(center.x * this.image.width), y: Math.round(center.y * this.image.width),
      scale: Number(this.scale.toPrecision(4)),
    });
    history.replaceState(null, "", `#${place}`);
  }

  recall() {
    const place = new URLSearchParams(location.hash.slice(1));
    const whole = (key, size) => {
      const value = Number.parseInt(place.get(key) ?? "", 10);
      return value >= 0 && value < size ? value : null;
    };
    this.z = whole("z", this.data.size.z) ?? this.z;
    this.t = whole("t", this.data.size.t) ?? this.t;
    const [x, y, scale] = ["x", "y", "scale"].map((key) => Number.parseFloat(place.get(key) ?? ""));
    if ([x, y, scale].every(Number.isFinite) && scale > 0) this.seen = { x, y, scale };
  }
}

try {
  await enter();
  const path = encodeURIComponent(name);
  const [image, data] = await Promise.all([ask(`api/images/${path}`), ask(`webgateway/imgData/${path}/`)]);
  if (image.levels.length && OpenSeadragon) new Page(image, data);
  document.querySelector("header .home").href = root;
} catch (error) {
  byId("name").textContent = "No image";
  tell(error);
}
