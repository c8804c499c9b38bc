// Two sets of painted figures that nothing here was tuned on: one to measure with, one kept back until the end.
//
//   npm install --ignore-scripts @resvg/resvg-js@2.6.2 @dicebear/core@9.4.3 @dicebear/collection@9.4.3
//   node make-figures.mjs OUT [SIDE=128] [FOR EACH STYLE=800]
//
// DiceBear's styles adventurer, big-smile, micah and personas, and big-ears, croodles, miniavs and avataaars (CC BY 4.0, avataaars free
// for any use; the artists are named in each style's package). For measuring only; none is in a starter. Seeds are style and number.
import { createAvatar } from "@dicebear/core";
import * as styles from "@dicebear/collection";
import { Resvg } from "@resvg/resvg-js";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [out, side = "128", each = "800"] = process.argv.slice(2);
const SETS = {
  figures: ["adventurer", "bigSmile", "micah", "personas"],
  "kept-back": ["bigEars", "croodles", "miniavs", "avataaars"],
};
const backgroundColor = ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf", "d5f5d0"];

for (const [set, names] of Object.entries(SETS))
  for (const name of names) {
    const folder = join(out, set, name), seen = new Set();
    mkdirSync(folder, { recursive: true });
    for (let seed = 0; seen.size < Number(each) && seed < 20 * Number(each); seed++) {
      const avatar = createAvatar(styles[name], { seed: `${name}-${seed}`, backgroundColor });
      const { backgroundRotation, ...parts } = avatar.toJson().extra;
      const key = JSON.stringify(parts);
      if (seen.has(key)) continue;
      const fitTo = { mode: "width", value: Number(side) };
      const picture = new Resvg(avatar.toString(), { fitTo, background: "#fff", font: { loadSystemFonts: false } }).render();
      writeFileSync(join(folder, `${String(seen.size).padStart(5, "0")}.png`), picture.asPng());
      seen.add(key);
    }
    console.log(set, name, seen.size);
  }
