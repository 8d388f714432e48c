// The images of a store, each with a thumbnail that leads to its page.

import "./theme.js";
import { ask, enter, root, tell } from "./server.js";

const COUNT = 60;
const list = document.getElementById("images");
const more = document.getElementById("more");
let shown = 0;

function add(image) {
  const entry = document.getElementById("image").content.cloneNode(true);
  const name = image.page.replace(/^view\//, "");
  const link = entry.querySelector("a");
  link.href = new URL(`view/${encodeURIComponent(name)}`, root);
  const picture = entry.querySelector("img");
  picture.src = new URL(`webgateway/render_thumbnail/${encodeURIComponent(name)}/192/`, root);
  entry.querySelector(".name").textContent = image.name;
  const { x, y, z, c, t } = image.sizes;
  entry.querySelector(".sizes").textContent =
    `${x} × ${y}` + (z > 1 ? `, Z ${z}` : "") + (c > 1 ? `, C ${c}` : "") + (t > 1 ? `, T ${t}` : "") + `, ${image.pixelsType}`;
  list.append(entry);
}

async function load() {
  more.disabled = true;
  const found = await ask(`api/images?offset=${shown}&limit=${COUNT}`);
  found.forEach(add);
  shown += found.length;
  more.hidden = found.length < COUNT;
  more.disabled = false;
  document.getElementById("where").textContent = shown ? "" : "There are no images here yet.";
}

more.addEventListener("click", () => load().catch(tell));
enter().then(load).catch(tell);
