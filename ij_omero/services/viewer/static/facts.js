// What belongs to the image beside its pixels, as a list.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function showFacts(image) {
  const list = document.getElementById("facts");
  const add = (name, value) => {
    if (value === null || value === undefined || value === "") return;
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  };
  const { sizes, physicalSizes: physical } = image;
  add("size", `${sizes.x} × ${sizes.y}` + (sizes.z > 1 ? `, Z ${sizes.z}` : "") + (sizes.c > 1 ? `, C ${sizes.c}` : "") + (sizes.t > 1 ? `, T ${sizes.t}` : ""));
  add("pixels", `${image.pixelsType}, ${bytes(image.bytes)}`);
  add("pixel size", ["x", "y", "z"].filter((a) => physical[a]).map((a) => `${a} ${quantity(physical[a])}`).join(", "));
  add("interval", physical.t && quantity(physical.t));
  add("levels", image.levels.length > 1 ? image.levels.map((level) => `${level.width} × ${level.height}`).join(", ") : null);
  add("dataset", image.dataset);
  add("owner", image.owner);
  add("group", image.group);
  add("acquired", image.acquired && new Date(image.acquired).toLocaleString());
  image.channels.forEach((channel, i) => {
    const waves = [["excitation", channel.excitation], ["emission", channel.emission]].filter(([, value]) => value);
    if (waves.length) add(channel.name || `channel ${i + 1}`, waves.map(([name, value]) => `${name} ${quantity(value)}`).join(", "));
  });
  add("tags", image.tags.join(", "));
  add("address", image.address);
  document.getElementById("description").textContent = image.description;
  if (image.keyValues.length) document.getElementById("key-values").append(table(image.keyValues));
}

function table(pairs) {
  const made = document.createElement("table");
  for (const [key, value] of pairs) {
    const row = made.insertRow(), head = document.createElement("th");
    head.textContent = key;
    head.scope = "row";
    row.append(head);
    row.insertCell().textContent = value;
  }
  return made;
}

export function quantity({ value, unit }) {
  return `${Number(value.toPrecision(5))} ${unit}`;
}

function bytes(count) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${Number((count / 1000 ** step).toPrecision(3))} ${UNITS[step]}`;
}
