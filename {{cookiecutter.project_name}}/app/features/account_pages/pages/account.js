// The account's page: its own sections, and those that features have added.

import { api, beginSession, endSession, goToLogin, onOtherTab, resume, tellOtherTabs } from "./api.js";
import { element, find, onSubmit, showErrors, timeElement } from "./forms.js";
import "./reauthenticate.js";
import { addSection, loadAll, reload } from "./sections.js";
import { inWords } from "./words.js";

addSection("password", async ({ email }) => {
  for (const input of document.querySelectorAll("input[name=username]")) {
    /** @type {HTMLInputElement} */ (input).value = email;
  }
});

onSubmit(find("#change-password"), async ({ username, current_password, new_password }) => {
  await api("POST", "/users/reset-password", { json: { current_password, new_password } });
  try {
    await beginSession("/login", { form: { username, password: new_password } });
  } catch {
    tellOtherTabs();
    await goToLogin("password-changed"); // more than a password may be wanted
  }
  /** @type {HTMLFormElement} */ (find("#change-password")).reset();
  await reload("sessions");
  return "Your password is changed, and all other devices are logged out.";
});

/**
 * @typedef {object} Session as the API has it
 * @property {string} id
 * @property {string} created_at
 * @property {string} last_used_at
 * @property {string | null} user_agent
 * @property {boolean} current
 */

addSection("sessions", async () => {
  /** @type {Session[]} */
  const sessions = await api("GET", "/auth/sessions");
  find("#session-list").replaceChildren(...sessions.map(sessionItem));
});

/** @param {Session} session */
function sessionItem({ id, created_at, last_used_at, user_agent, current }) {
  const item = element("li", {}, element("div", {},
    element("strong", { textContent: device(user_agent ?? "") }),
    element("p", {}, "Logged in ", timeElement(created_at), ", last used ", timeElement(last_used_at)),
  ));
  if (current) {
    item.append(element("span", { className: "badge", textContent: "This device" }));
    return item;
  }
  const form = element("form", {}, element("button", { className: "quiet", textContent: "Log out" }));
  form.setAttribute("aria-label", device(user_agent ?? ""));
  onSubmit(form, async () => {
    await api("DELETE", `/auth/sessions/${id}`);
    await reload("sessions");
    find("#sessions-status").textContent = "That device is logged out.";
    find("#sessions-title").focus(); // the button that had it is gone
  });
  item.append(form);
  return item;
}

/** @param {string} userAgent */
function device(userAgent) {
  const browser = /Edg|OPR|Firefox|Chrome|Safari/.exec(userAgent)?.[0] ?? "";
  const system = /Android|iPhone|iPad|Windows|Mac OS X|CrOS|Linux/.exec(userAgent)?.[0] ?? "";
  /** @type {Record<string, string>} */
  const names = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS", CrOS: "ChromeOS" };
  const known = [browser, system].filter(Boolean).map((name) => names[name] ?? name);
  return known.length ? known.join(" on ") : userAgent.slice(0, 60) || "An unknown device";
}

onSubmit(find("#log-out-everywhere"), async () => {
  await api("POST", "/auth/logout-all");
  tellOtherTabs();
  await goToLogin("logged-out");
});

onSubmit(find("#delete-account"), async ({ confirmation }) => {
  if (confirmation.trim().toLowerCase() !== find("#who").textContent) {
    showErrors(find("#delete-account"), [{ text: "This isn’t your account’s email address.", field: "confirmation" }]);
    return;
  }
  await api("DELETE", "/users/me");
  tellOtherTabs();
  await goToLogin("deleted");
});

find("#log-out").addEventListener("click", async () => {
  try {
    await endSession();
    await goToLogin("logged-out");
  } catch (error) {
    showErrors(find("#account"), inWords(error));
  }
});

onOtherTab(async (event) => {
  if (event === "over") await goToLogin("logged-out");
  else if (!(await resume())) await goToLogin("ended");
});
// After “back”, the browser may show the page as it was, with a session that is over by now.
addEventListener("pageshow", (event) => event.persisted && location.reload());

async function start() {
  const waiting = find("#waiting");
  try {
    if (!(await resume())) return await goToLogin();
    const account = await api("GET", "/users/me");
    find("#who").textContent = account.email;
    const sections = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#account > section")]);
    sections.sort((one, other) => Number(one.dataset.order) - Number(other.dataset.order));
    find("#account").append(...sections);
    await loadAll(account);
  } catch (error) {
    const button = element("button", { type: "button", textContent: "Try again" });
    button.addEventListener("click", () => location.reload());
    waiting.replaceChildren(element("p", { role: "alert", textContent: inWords(error)[0].text }), button);
    return;
  }
  waiting.hidden = true;
  find("#account").hidden = false;
  find("#log-out").hidden = false;
  showTarget();
  // What a section has to say of something that began here and went on elsewhere
  /** @type {HTMLElement | null} */ (document.querySelector("#account .summary"))?.focus();
}

/** Whoever comes for one section finds it open. */
function showTarget() {
  const section = location.hash && document.getElementById(location.hash.slice(1));
  if (!section) return;
  for (const details of section.querySelectorAll("details")) details.open = true;
  section.scrollIntoView();
}
addEventListener("hashchange", showTarget);

start();
