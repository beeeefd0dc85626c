// Light or dark before the first paint; the theme's own switch keeps its choice under this name.
(() => {
  let wanted = "auto";
  try {
    wanted = JSON.parse(localStorage.getItem("_x_adminTheme") || '"auto"');
  } catch {
    // a value that is not ours: follow the system
  }
  const isDark = wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", isDark);
  document.documentElement.classList.add("has-script");
})();
