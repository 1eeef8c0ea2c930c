// A drawing made of pixels, for what there is too much of to be drawn by the canvas: 50,000 squares take it half a
// second without a graphics card, and this some milliseconds.

export class Pixels {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.image = new ImageData(width, height);
    this.data = new Uint32Array(this.image.data.buffer);
  }

  // Fill a square or rectangle, in whole pixels; what lies outside is left out.
  fill(x, y, width, height, colour) {
    const left = Math.max(0, x), right = Math.min(this.width, x + width);
    const bottom = Math.min(this.height, y + height);
    if (left >= right) return;
    for (let row = Math.max(0, y); row < bottom; row += 1) {
      const start = row * this.width;
      if (right - left > 16) this.data.fill(colour, start + left, start + right);
      else for (let at = start + left; at < start + right; at += 1) this.data[at] = colour;
    }
  }

  clear(colour) {
    this.data.fill(colour);
  }

  // Put a part of it onto a canvas.
  put(context, x, y, width, height) {
    context.putImageData(this.image, 0, 0, x, y, width, height);
  }
}

// A colour of CSS as a pixel.
export function pixelOf(context, colour) {
  context.fillStyle = colour;
  const number = parseInt(context.fillStyle.slice(1), 16);
  const [red, green, blue] = [number >> 16, (number >> 8) & 255, number & 255];
  const bytes = new Uint8Array([red, green, blue, 255]);
  return new Uint32Array(bytes.buffer)[0];
}
