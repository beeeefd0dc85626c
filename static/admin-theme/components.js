// Alpine's build without eval finds components only by name, and has no globals: what the theme writes into
// attributes is registered here, and the few expressions that build cannot read are replaced before it starts.
document.addEventListener("alpine:init", () => {
  for (const component of [theme, searchForm, searchDropdown, searchCommand]) Alpine.data(component.name, component);

  Alpine.data("page", () => ({
    activeTab: "",
    sidebarMobileOpen: false,
    sidebarDesktopOpen: localStorage.getItem("sidebarDesktopOpen") !== "0",
    init() {
      this.activeTab = getCurrentTab() || this.$el.dataset.activeTab || "";
      this.$watch("sidebarDesktopOpen", (isOpen) => localStorage.setItem("sidebarDesktopOpen", isOpen ? "1" : "0"));
    },
  }));

  for (const form of document.querySelectorAll("form[x-bind\\:action]")) form.removeAttribute("x-bind:action");
  document.getElementById("changelist-actions")?.removeAttribute("x-bind:style");
  const command = document.getElementById("search-input-command");
  for (const keys of ["meta.enter", "ctrl.enter"]) command?.removeAttribute(`x-on:keydown.${keys}.prevent`);
  command?.setAttribute("x-on:keydown.enter.prevent", "selectItem(false, $event.metaKey || $event.ctrlKey)");
});
