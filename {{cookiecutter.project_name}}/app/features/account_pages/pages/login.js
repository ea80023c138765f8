// The login page.

import { onOtherTab, resume } from "./api.js";
import { find, onSubmit } from "./forms.js";
import { goOn, isStaying, logIn } from "./logging_in.js";

const REASONS = new Map(Object.entries({
  deleted: "Your account and everything that belonged to it are deleted.",
  ended: "Your session is over. Log in again to go on.",
  "logged-out": "You are logged out.",
  "password-changed": "Your password is changed. Log in with the new one.",
}));

const query = new URLSearchParams(location.search);
const ofAll = query.has("return_to") ? "Log in to go on." : "";
find("#reason").textContent = REASONS.get(query.get("reason") ?? "") ?? ofAll;

/** @type {HTMLAnchorElement} */ (find("#register-link")).search = location.search;

onSubmit(find("#login"), (fields) => logIn("/login", { form: fields }));

// Whoever is logged in already has nothing to do here.
if (!isStaying) resume().then((isLoggedIn) => isLoggedIn && goOn(), console.warn);
onOtherTab((event) => event === "begun" && goOn());
