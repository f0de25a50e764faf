// Makes plots explorable where scripts run; without them pages do all the same.
"use strict";

function offer(root) {
  for (const figure of root.querySelectorAll("figure[data-spec]")) {
    if (figure.dataset.offered) continue;
    figure.dataset.offered = "yes";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Explore";
    button.setAttribute("aria-label", "Explore " + figure.dataset.title + ": values under the pointer");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const { explore } = await import(document.querySelector("script[src*='/app.js']").src.replace(/app\.js.*/, "interactive.js"));
        await explore(figure);
        button.remove();
      } catch (error) {
        button.textContent = "This plot cannot be explored: " + error.message;
      }
    });
    figure.after(button);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.dataset.scripts = "yes";
  offer(document);
});
document.addEventListener("htmx:load", (event) => offer(event.target));
