// Drawn portraits with transparency for the starter of 128 pixels: four styles, each a class.
//
//   npm install --ignore-scripts @resvg/resvg-js@2.6.2 @dicebear/core@9.4.3 @dicebear/collection@9.4.3
//   node make-portraits.mjs OUT [SIDE=128] [FOR EACH STYLE=2000]
//
// DiceBear's styles lorelei, notionists and open-peeps (CC0 1.0), and toon-head (CC BY 4.0, Johan Melin: credited in the card).
// Seeds are style and number; no two portraits are made of the same parts. Every tenth is held out: OUT/learn and OUT/held-out.
import { createAvatar } from "@dicebear/core";
import * as styles from "@dicebear/collection";
import { Resvg } from "@resvg/resvg-js";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [out, side = "128", each = "2000"] = process.argv.slice(2);
const STYLES = { ink: "lorelei", sketch: "notionists", bold: "openPeeps", cartoon: "toonHead" };
const HELD_OUT_EVERY = 10;

for (const [kind, name] of Object.entries(STYLES)) {
  const seen = new Set();
  for (let seed = 0; seen.size < Number(each) && seed < 20 * Number(each); seed++) {
    const avatar = createAvatar(styles[name], { seed: `${name}-${seed}` });
    const key = JSON.stringify(avatar.toJson().extra);
    if (seen.has(key)) continue;
    const folder = join(out, seen.size % HELD_OUT_EVERY ? "learn" : "held-out", kind);
    mkdirSync(folder, { recursive: true });
    const fitTo = { mode: "width", value: Number(side) };
    const picture = new Resvg(avatar.toString(), { fitTo, font: { loadSystemFonts: false } }).render();
    writeFileSync(join(folder, `${String(seen.size).padStart(5, "0")}.png`), picture.asPng());
    seen.add(key);
  }
  console.log(kind, seen.size);
}
