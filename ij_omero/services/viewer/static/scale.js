// The scale bar: a round length of about a sixth of the width.

const UNITS = [[1e6, "m"], [1e3, "mm"], [1, "µm"], [1e-3, "nm"]];
const STEPS = [1, 2, 5, 10];

/** Draw it for a scale in screen pixels per image pixel, and the size of an image pixel in µm, where known. */
export function drawScaleBar(element, scale, micrometres, width) {
  if (!(scale > 0)) return;
  const perUnit = micrometres ? scale / micrometres : scale;
  const wanted = Math.max(110, width / 6) / perUnit;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = power * STEPS.findLast((step) => step * power <= wanted);
  element.hidden = false;
  element.style.width = `${length * perUnit}px`;
  element.firstElementChild.textContent = micrometres ? named(length) : `${Number(length.toPrecision(3))} px`;
}

function named(micrometres) {
  const [size, unit] = UNITS.find(([size]) => micrometres >= size * 0.999) ?? UNITS.at(-1);
  return `${Number((micrometres / size).toPrecision(3))} ${unit}`;
}
