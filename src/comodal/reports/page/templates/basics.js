// Shared helpers: elements, numbers as text, the packed data, downloads, light and dark.
// The parts are joined in one function when the page is made; text from data is only ever set as text, never as markup.

const at = (id) => document.getElementById(id);
const root = document.documentElement;
const PAGE_SIZE = 25;
const TABLE_ROWS = 500;
const PAPER_WIDTH = 690; // what an A4 or letter page holds

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const isNumber = (value) => typeof value === "number";
const number = (value, digits = 3) => (isNumber(value) ? value.toFixed(digits) : "–");
const signed = (value, digits = 3) => (isNumber(value) ? (value > 0 ? "+" : "") + value.toFixed(digits) : "–");

// ---- packed data

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(at(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function loadPlotly() {
  const url = URL.createObjectURL(new Blob([await unpacked("packed-plotly")], { type: "text/javascript" }));
  await new Promise((resolve, reject) => {
    const script = make("script", { src: url });
    script.onload = resolve;
    script.onerror = () => reject(new Error("the plotting library did not load"));
    document.head.append(script);
  });
  URL.revokeObjectURL(url);
}

function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function csv(columns) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const names = Object.keys(columns);
  const lines = columns[names[0]].map((_, row) => names.map((name) => cell(columns[name][row])).join(","));
  return `${[names.map(cell).join(","), ...lines].join("\r\n")}\r\n`;
}

// ---- light and dark

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => root.dataset.theme || (systemDark.matches ? "dark" : "light");

function remembered(value) {
  try {
    if (value) localStorage.setItem("comodal-theme", value);
    return localStorage.getItem("comodal-theme");
  } catch {
    return null; // storage is closed to some pages that open from disk
  }
}

function nameTheme() {
  at("theme-switch").textContent = theme() === "dark" ? "Light colours" : "Dark colours";
}
