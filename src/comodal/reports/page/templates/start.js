// Everything in order, once the document is there.

async function start() {
  const stored = remembered();
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  nameTheme();
  at("theme-switch").addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    remembered(root.dataset.theme);
    recolour();
  });
  systemDark.addEventListener("change", recolour);
  data = JSON.parse(await unpacked("packed-data"));
  prepareSamples();
  await loadPlotly();
  document.querySelectorAll("figure[data-figure]").forEach(prepareFigure);
  await drawAll();
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([data-table])")) details.open = true;
    for (const name of figures.keys()) drawFigure(name, "light", PAPER_WIDTH);
  });
  addEventListener("afterprint", recolour);
  root.dataset.ready = "true";
}

start().catch((error) => {
  at("failure").hidden = false;
  at("failure").textContent = `Figures could not be drawn (${error.message}). A browser of 2023 or later shows them.`;
  root.dataset.ready = "false";
});
