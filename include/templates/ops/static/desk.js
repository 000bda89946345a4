// The call desk's comforts: the card is given back when its page goes, the focus follows the script, and a number can be
// rung from within Airflow's frame, which lets no link lead to a telephone. Without them the lease runs out by itself.
"use strict";

let staying = false;
document.addEventListener("submit", () => {
  staying = true;
});
window.addEventListener("pageshow", () => {
  staying = false;
});
window.addEventListener("pagehide", () => {
  const card = document.querySelector("[data-release]");
  if (card && !staying) navigator.sendBeacon(card.dataset.release, new URLSearchParams({ gone: "1" }));
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "talk") document.querySelector("#talk h2").focus({ preventScroll: true });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='tel:']");
  if (!link || window.parent === window) return;
  event.preventDefault();
  const out = window.parent.document.createElement("a");
  out.href = link.href;
  window.parent.document.body.append(out);
  out.click();
  out.remove();
});
