// Draws a plot with Vega in the browser. Expressions are interpreted: the page's policy allows no eval.
"use strict";

const here = new URL(".", import.meta.url);

function script(name) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = new URL(name, here);
    element.onload = resolve;
    element.onerror = () => reject(new Error(name + " did not load"));
    document.head.append(element);
  });
}

let ready = null;
function libraries() {
  ready ??= script("vega.min.js")
    .then(() => script("vega-lite.min.js"))
    .then(() => import(new URL("vega-interpreter.js", here)));
  return ready;
}

function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

export async function explore(figure) {
  const { expressionInterpreter } = await libraries();
  const answer = await fetch(figure.dataset.spec + "&theme=" + theme(), { credentials: "same-origin" });
  if (!answer.ok) throw new Error("the service answered " + answer.status);
  const { vega, vegaLite } = globalThis;
  const compiled = vegaLite.compile(await answer.json()).spec;
  const place = document.createElement("div");
  const refuse = () => Promise.reject(new Error("nothing is loaded from elsewhere"));
  const view = new vega.View(vega.parse(compiled, null, { ast: true }), {
    expr: expressionInterpreter,
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
    renderer: "canvas",
    container: place,
    hover: true,
  });
  await view.runAsync();
  const canvas = place.querySelector("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", figure.querySelector("img").alt);
  figure.replaceChildren(place);
}
