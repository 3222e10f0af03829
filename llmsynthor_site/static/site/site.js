// The whole of the site's own script: the theme choice, the reader's time zone, one submission per form, and where
// focus goes.
"use strict";

const root = document.documentElement;

function chosenTheme() {
  return root.dataset.bsTheme || "";
}

function keepCookie(name, value) {
  const age = value ? 31536000 : 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}

function keepTheme(theme) {
  if (theme) root.dataset.bsTheme = theme;
  else delete root.dataset.bsTheme;
  keepCookie("theme", theme);
  showTheme();
}

function showTheme() {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosenTheme()));
  }
}

// A second click on a decision must not send it twice; the server refuses it too, but this is kinder.
function onceOnly(event) {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button[type=submit]")) {
    button.setAttribute("aria-disabled", "true");
  }
  // A download leaves the page where it is, so its button wakes up again.
  if ("again" in form.dataset) setTimeout(() => rearm(), 3000);
}

// A page that comes back from the browser's memory may be submitted again.
function rearm() {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
}

document.addEventListener("submit", onceOnly);
window.addEventListener("pageshow", (event) => event.persisted && rearm());
document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]");
  if (choice) keepTheme(choice.dataset.themeChoice);
});

// A security key that did not answer: said on the page, and the button works again.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  for (const told of document.querySelectorAll("[data-key-error]")) told.hidden = false;
  rearm();
});

// A slider that sets a field: it says the field's figure, and moves along when somebody types one.
for (const slider of document.querySelectorAll("[data-sets]")) {
  const field = document.getElementById(slider.dataset.sets);
  const stops = slider.dataset.stops.split(" ");
  const nearest = (value) =>
    stops.reduce((best, stop, i) => (Math.abs(Math.log(stop / value)) < Math.abs(Math.log(stops[best] / value)) ? i : best), 0);
  const follow = () => {
    if (Number(field.value) > 0) slider.value = nearest(Number(field.value));
    slider.setAttribute("aria-valuetext", field.value);
  };
  slider.addEventListener("input", () => {
    field.value = stops[slider.value];
    slider.setAttribute("aria-valuetext", field.value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  field.addEventListener("input", () => document.activeElement !== slider && follow());
  follow();
}

for (const group of document.querySelectorAll("[data-needs-script]")) group.hidden = false;
showTheme();
keepCookie("zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "");  // days that people type begin where they are
const summary = document.querySelector("[data-error-summary]");
if (summary) summary.focus();
