// The simulated checkout in a widget's frame: tells the page around it how it went, or that the buyer closed it.
(() => {
  const { origin, told } = JSON.parse(document.getElementById("told").dataset.told);
  if (window.parent === window) return;
  const tell = (words) => window.parent.postMessage({ begateway: words }, origin);
  if (told) tell({ ...told, status: { incomplete: "pending" }[told.status] ?? told.status });
  document.getElementById("close")?.addEventListener("click", () => tell(null));
})();
