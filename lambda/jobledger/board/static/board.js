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

// Times in the reader's zone, on request and from then on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = (value) => String(value).padStart(2, "0");

function local(text) {
  const at = new Date(text);
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

function show(inZone) {
  for (const time of document.querySelectorAll("time")) {
    time.dataset.utc ??= time.textContent;
    time.textContent = inZone ? local(time.dateTime) : time.dataset.utc;
  }
  for (const name of document.querySelectorAll(".zone")) name.textContent = inZone ? zone : "UTC";
  zoned.textContent = inZone ? "Show times in UTC" : `Show times in ${zone}`;
}

const zoned = document.createElement("button");
zoned.type = "button";
zoned.addEventListener("click", () => {
  const inZone = localStorage.getItem("times") !== "local";
  localStorage.setItem("times", inZone ? "local" : "UTC");
  show(inZone);
});
if (zone !== "UTC") {
  document.querySelector(".top nav").after(zoned);
  show(localStorage.getItem("times") === "local");
}
