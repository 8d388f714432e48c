// Light or dark: as the system has it, until a reader says otherwise.

const kept = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
if (kept) document.documentElement.dataset.theme = kept;

document.getElementById("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* a private window keeps nothing */ }
  document.dispatchEvent(new Event("theme"));
});
