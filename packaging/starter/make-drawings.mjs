// Drawings with transparency for the broad starter, from sets whose licences allow it; each image is named set-icon.png.
//
//   npm install @resvg/resvg-js@2.6.2 @dicebear/core@9.4.3 @dicebear/collection@9.4.3 @iconify-json/{fluent-emoji,fluent-emoji-flat,noto,noto-v1,twemoji,fxemoji,flat-color-icons}
//   node make-drawings.mjs OUT [SIDE=128] [PORTRAITS=600 for each style]
//
// fluent-emoji (MIT, Microsoft), noto and noto-v1 (Apache-2.0, Google), fxemoji (Apache-2.0, Mozilla), flat-color-icons (MIT, Icons8),
// twemoji (CC BY 4.0, Twitter and contributors: credited in the card), DiceBear's CC0 styles. Left out: flags, letters and
// numbers, and all but one of the skin tones and genders, which would be most of the set.
import { mkdirSync, readFileSync, writeFileSync, existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import { createAvatar } from "@dicebear/core";
import * as styles from "@dicebear/collection";

const [out, side = "128", portraits = "600"] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const SETS = ["fluent-emoji", "fluent-emoji-flat", "noto", "noto-v1", "twemoji", "fxemoji", "flat-color-icons"];
const CLASSES = {
  "Smileys & Emotion": "face", "People & Body": "person", People: "person", "Animals & Nature": "nature", Nature: "nature",
  "Food & Drink": "food", Objects: "object", Activities: "object", "Travel & Places": "place", Places: "place", Symbols: "symbol",
};
const VARIANT = /skin-tone|-(light|medium|dark)$|couple|family|^kiss-|middle-finger|^(man|woman|men|women|boy|girl|mr|mrs)-|-(facing-right|1|2|3|4|5|6)$|keycap|^input-|button$|clock-?\d|o-?clock|-thirty$|^(regional|flag)/;
const PORTRAITS = { lorelei: "portrait", notionists: "portrait", openPeeps: "portrait", pixelArt: "portrait", thumbs: "portrait" };

mkdirSync(out, { recursive: true });
const attempt = join(out, ".attempt"), list = join(out, ".broken");
const broken = new Set(existsSync(list) ? readFileSync(list, "utf8").split("\n") : []);
if (existsSync(attempt)) broken.add(readFileSync(attempt, "utf8"));
writeFileSync(list, [...broken].join("\n"));

function save(kind, name, svg) {
  const folder = join(out, kind), path = join(folder, `${name}.png`);
  if (existsSync(path) || broken.has(name)) return 0;
  mkdirSync(folder, { recursive: true });
  writeFileSync(attempt, name); // a drawing the renderer dies of is left out when this is run again
  const picture = new Resvg(svg, { fitTo: { mode: "width", value: Number(side) }, font: { loadSystemFonts: false } }).render();
  if (picture.width !== picture.height) return unlinkSync(attempt), 0;
  writeFileSync(path, picture.asPng());
  unlinkSync(attempt);
  return 1;
}

let count = 0;
for (const set of SETS) {
  const data = JSON.parse(readFileSync(require.resolve(`@iconify-json/${set}/icons.json`)));
  let categories = {};
  for (const other of [set, set.replace("-flat", "") , "fluent-emoji-flat", "noto"]) {
    try {
      const said = JSON.parse(readFileSync(require.resolve(`@iconify-json/${other}/metadata.json`))).categories ?? {};
      for (const [kind, names] of Object.entries(said)) for (const name of names) categories[name] ??= kind;
    } catch {}
  }
  for (const [name, icon] of Object.entries(data.icons)) {
    if (icon.hidden || VARIANT.test(name)) continue;
    const kind = set === "flat-color-icons" ? "object" : CLASSES[categories[name]];
    if (!kind) continue;
    const width = icon.width ?? data.width ?? 16, height = icon.height ?? data.height ?? 16;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}">${icon.body}</svg>`;
    try { count += save(kind, `${set}-${name}`, svg); } catch (error) { console.error(set, name, String(error).slice(0, 80)); }
  }
  console.log(set, count);
}
for (const [style, kind] of Object.entries(PORTRAITS)) {
  const meta = styles[style]?.meta;
  if (!meta || !/CC0/.test(meta.license?.name ?? "")) { console.error(style, "left out:", meta?.license?.name); continue; }
  for (let k = 0; k < Number(portraits); k++)
    count += save(kind, `${style}-${k}`, createAvatar(styles[style], { seed: `${style}-${k}` }).toString());
  console.log(style, count);
}
