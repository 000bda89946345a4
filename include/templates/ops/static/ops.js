// Comforts only: every page works without. Airflow shows the pages in a frame from which no link can lead out; links of
// class "airflow" lead the window around it, as Airflow's own links do.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.airflow");
  if (!link || window.parent === window || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const path = new URL(link.href).pathname + new URL(link.href).search;
  window.parent.history.pushState({}, "", path);
  window.parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
});

// A select of class "at-once" sends its form when it is changed.
document.addEventListener("change", (event) => {
  if (event.target.matches("select.at-once")) event.target.form.requestSubmit();
});
