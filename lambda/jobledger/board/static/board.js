"use strict";

// Reloads the page, but never under the hands of someone who fills in the form or marks text.
const seconds = Number(document.body.dataset.refreshSeconds);
let typed = false;
document.addEventListener("input", () => { typed = true; });

function reload() {
  const busy = document.activeElement?.closest("form") || !getSelection().isCollapsed;
  if (!typed && !busy && !document.hidden) location.reload();
}

if (seconds) setInterval(reload, seconds * 1000);

for (const command of document.querySelectorAll(".copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "Copied";
  });
  command.parentElement.append(button);
}
