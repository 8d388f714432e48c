// ROIs drawn over the image, in its pixels.

import { ask, root } from "./server.js";

const STROKE = "#ffe14d";

export class Rois {
  constructor(canvas, viewer, image) {
    this.canvas = canvas;
    this.viewer = viewer;
    this.image = image;
    this.shapes = [];
    this.shown = true;
    this.chosen = null;
  }

  async read() {
    const name = encodeURIComponent(this.image.name);
    this.rois = await ask(`webgateway/get_rois_json/${name}/`);
    this.shapes = this.rois.flatMap((roi) => roi.shapes.map((shape) => prepared(shape, roi, name, () => this.draw())));
    return this.rois;
  }

  /** Draw what lies on this plane (a shape without z or t lies on all). */
  draw(position = this.position) {
    this.position = position;
    const { canvas, viewer } = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.shown || !position || !viewer.world.getItemCount()) return;
    const origin = viewer.viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const across = viewer.viewport.pixelFromPoint(new OpenSeadragon.Point(1, 0), true);
    const scale = (across.x - origin.x) / this.image.width;
    const view = { left: -origin.x / scale, top: -origin.y / scale, right: (width - origin.x) / scale, bottom: (height - origin.y) / scale };
    for (const shape of this.shapes) {
      if (elsewhere(shape.theZ, position.z, position.projected) || elsewhere(shape.theT, position.t, false)) continue;
      const [left, top, right, bottom] = shape.box;
      if (right < view.left || left > view.right || bottom < view.top || top > view.bottom) continue;
      context.setTransform(scale * ratio, 0, 0, scale * ratio, origin.x * ratio, origin.y * ratio);
      if (shape.matrix) context.transform(...shape.matrix);
      this.one(context, shape, scale);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  one(context, shape, scale) {
    if (shape.picture) {
      context.imageSmoothingEnabled = false;
      if (shape.picture.complete && shape.picture.naturalWidth) context.drawImage(shape.picture, shape.x, shape.y, shape.width, shape.height);
      return;
    }
    if (shape.path) {
      if (shape.fillColor && shape.fillAlpha) {
        context.globalAlpha = shape.fillAlpha;
        context.fillStyle = shape.fillColor;
        context.fill(shape.path);
      }
      context.globalAlpha = 1;
      const chosen = shape.roi === this.chosen;
      context.lineWidth = (chosen ? 4 : 2) / scale;
      context.strokeStyle = "#0008";
      context.stroke(shape.path);
      context.lineWidth = (chosen ? 3 : 1.4) / scale;
      context.strokeStyle = shape.strokeColor && shape.strokeAlpha !== 0 ? shape.strokeColor : STROKE;
      context.stroke(shape.path);
    }
    if (shape.type === "Point") this.mark(context, shape, scale);
    if (shape.textValue) this.text(context, shape, scale);
  }

  mark(context, shape, scale) {
    context.beginPath();
    context.arc(shape.x, shape.y, 5 / scale, 0, 2 * Math.PI);
    context.lineWidth = 2 / scale;
    context.strokeStyle = shape.strokeColor ?? STROKE;
    context.stroke();
  }

  text(context, shape, scale) {
    context.font = `${13 / scale}px system-ui, sans-serif`;
    context.textBaseline = "bottom";
    context.lineJoin = "round";
    context.lineWidth = 3 / scale;
    context.strokeStyle = "#000b";
    context.fillStyle = shape.strokeColor ?? STROKE;
    const [left, top] = shape.own;
    context.strokeText(shape.textValue, left, top - 3 / scale);
    context.fillText(shape.textValue, left, top - 3 / scale);
  }
}

function elsewhere(place, shown, all) {
  return place !== undefined && place >= 0 && place !== shown && !all;
}

function prepared(shape, roi, name, loaded) {
  const own = bounds(shape);
  const matrix = shape.transform?.match(/-?[\d.]+(?:e[+-]?\d+)?/gi)?.map(Number) ?? null;
  const ready = { ...shape, roi, own, matrix, box: matrix ? turned(own, matrix) : own };
  if (shape.type === "Mask") {
    ready.picture = new Image();
    ready.picture.addEventListener("load", loaded);
    ready.picture.src = new URL(`api/images/${name}/masks/${roi.id}/${shape.index}`, root);
    return ready;
  }
  const path = outline(shape);
  if (path) ready.path = path;
  return ready;
}

function outline(shape) {
  if (shape.points) return new Path2D(shape.points);
  const path = new Path2D();
  if (shape.type === "Rectangle") path.rect(shape.x, shape.y, shape.width, shape.height);
  else if (shape.type === "Ellipse") path.ellipse(shape.x, shape.y, shape.radiusX, shape.radiusY, 0, 0, 2 * Math.PI);
  else if (shape.type === "Line") { path.moveTo(shape.x1, shape.y1); path.lineTo(shape.x2, shape.y2); }
  else return null;
  return path;
}

function bounds(shape) {
  if (shape.points) {
    const numbers = shape.points.match(/-?[\d.]+(?:e[+-]?\d+)?/gi).map(Number);
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    numbers.forEach((value, i) => {
      box[i % 2] = Math.min(box[i % 2], value);
      box[2 + i % 2] = Math.max(box[2 + i % 2], value);
    });
    return box;
  }
  if (shape.type === "Ellipse") return [shape.x - shape.radiusX, shape.y - shape.radiusY, shape.x + shape.radiusX, shape.y + shape.radiusY];
  if (shape.type === "Line") {
    return [Math.min(shape.x1, shape.x2), Math.min(shape.y1, shape.y2), Math.max(shape.x1, shape.x2), Math.max(shape.y1, shape.y2)];
  }
  return [shape.x, shape.y, shape.x + (shape.width ?? 0), shape.y + (shape.height ?? 0)];
}

function turned([left, top, right, bottom], [a, b, c, d, e, f]) {
  const corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(([x, y]) => [a * x + c * y + e, b * x + d * y + f]);
  const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
