// Fills ../static with what needs no compiler: our scripts and style sheets, the morphing extension, the font.
import { cpSync, mkdirSync, rmSync } from "node:fs";

const target = "../static";
rmSync(target, { recursive: true, force: true });
mkdirSync(`${target}/css/dist`, { recursive: true });
cpSync("src/js", `${target}/js`, { recursive: true });
cpSync("src/img", `${target}/img`, { recursive: true });
cpSync("src/admin-layer.css", `${target}/css/dist/admin-layer.css`);
cpSync("node_modules/idiomorph/dist/idiomorph-ext.min.js", `${target}/js/idiomorph-ext.min.js`);
cpSync(
  "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  `${target}/css/dist/inter-latin.woff2`,
);
