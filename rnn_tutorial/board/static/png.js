// Pictures of a panel as one file.

import { FONT, ink, sized } from "./canvas.js";
import { download, fileName } from "./dom.js";

/** Save pictures [{title, canvas}] under a title, one below the other. */
export function savePng({ title, pictures }) {
  const ratio = window.devicePixelRatio || 1;
  const across = (canvas) => canvas.width / ratio;
  const down = (canvas) => canvas.height / ratio;
  const widest = Math.max(...pictures.map(({ canvas }) => across(canvas)), 300);
  const height = pictures.reduce((sum, { canvas }) => sum + down(canvas) + 22, 34);
  const canvas = document.createElement("canvas");
  const context = sized(canvas, widest + 20, height);
  const colors = ink();
  context.fillStyle = colors.surface;
  context.fillRect(0, 0, widest + 20, height);
  context.fillStyle = colors.text;
  context.textBaseline = "top";
  context.font = `600 ${FONT}`;
  context.fillText(title, 10, 10);
  context.font = FONT;
  let y = 34;
  for (const picture of pictures) {
    context.fillText(picture.title, 10, y);
    context.drawImage(picture.canvas, 10, y + 18, across(picture.canvas), down(picture.canvas));
    y += down(picture.canvas) + 22;
  }
  canvas.toBlob((blob) => download(`${fileName(title)}.png`, blob));
}
