// From what is to be shown to the addresses of tiles.

import { root } from "./server.js";

const TILE = 512;
const MOST_READ = 1 << 12; // pixels across that are read for one tile where no smaller level is stored

/** Write channels as OMERO.web's c and maps. */
export function channelQuery(channels) {
  const c = channels.map((one, i) => {
    const color = one.lut ?? one.color;
    return `${one.active ? "" : "-"}${i + 1}|${one.start}:${one.end}$${color}`;
  });
  const turned = channels.map((one) => ({ inverted: { enabled: one.inverted } }));
  return { c: c.join(","), ...(channels.some((one) => one.inverted) ? { maps: JSON.stringify(turned) } : {}) };
}

/**
 * Tiles of an image on scales that are halved from one to the next.
 *
 * Where the image has a resolution level of a scale, its tiles are asked for; else the region, scaled down.
 */
export class Pyramid {
  constructor(name, size, levels) {
    this.name = encodeURIComponent(name);
    this.width = size.width;
    this.height = size.height;
    this.levels = levels;
    this.coarsest = Math.max(0, Math.ceil(Math.log2(Math.max(size.width, size.height) / TILE)));
    const stored = levels.at(-1).width / size.width;
    const readable = Math.floor(Math.log2(MOST_READ / TILE / stored) + 1e-6);
    this.steps = Math.min(this.coarsest, readable);
  }

  /** The smallest scale on which the image can be shown. */
  get smallest() { return 2 ** -this.steps; }

  /** Whether the whole image can be shown though it is large. */
  get whole() { return this.steps === this.coarsest; }

  source(look) {
    const { steps } = this;
    return {
      width: this.width,
      height: this.height,
      tileSize: TILE,
      minLevel: 0,
      maxLevel: steps,
      getTileUrl: (level, x, y) => this.address(steps - level, x, y, look),
    };
  }

  address(step, x, y, look) {
    const query = new URLSearchParams({ ...channelQuery(look.channels), m: look.grey ? "g" : "c", v: look.version });
    if (look.projection !== "normal") query.set("p", look.projection);
    const stored = this.levels.findIndex((level) => fits(level.width, this.width, step) && fits(level.height, this.height, step));
    let path = "webgateway/render_image_region";
    if (stored >= 0) {
      query.set("tile", `${stored},${x},${y},${TILE},${TILE}`);
    } else {
      path = "figure/render_scaled_region";
      const side = TILE * 2 ** step;
      const left = x * side, top = y * side;
      const width = Math.min(side, this.width - left), height = Math.min(side, this.height - top);
      query.set("region", `${left},${top},${width},${height}`);
      query.set("max_size", this.sideOf(step, Math.max(width, height)));
    }
    return new URL(`${path}/${this.name}/${look.z}/${look.t}/?${query}`, root).href;
  }

  /** The server takes the finest level below max_size: ask so that this is no coarser than the scale wanted. */
  sideOf(step, longest) {
    const finer = this.levels.filter((level) => level.width / this.width > 2 ** -step).at(-1) ?? this.levels[0];
    const there = Math.floor(longest * finer.width / this.width) + 1;
    return there <= 2 * TILE + 1 ? there : Math.max(1, Math.ceil(longest / 2 ** step));
  }
}

function fits(stored, full, step) {
  const exact = full / 2 ** step;
  return stored === Math.floor(exact) || stored === Math.ceil(exact) || (stored === 1 && exact < 1);
}
