// Logging in, for the login page and whatever adds a way to log in to it.

import { ApiError, beginSession, PAGES } from "./api.js";
import { find } from "./forms.js";
import { isSafe } from "./return_to.js";

/** @type {Map<string, (body: {[name: string]: unknown}) => void>} */
const steps = new Map();

/**
 * Take over where the API refuses a login with this `error`: the password was right, and something else is wanted.
 * @param {string} code as RFC 6749 calls it, such as `invalid_grant`
 * @param {(body: {[name: string]: unknown}) => void} step gets the body of the refusal
 */
export function onRefusal(code, step) {
  steps.set(code, step);
}

/** Whether the login page stays although somebody is logged in. */
export let isStaying = false;

/** Have the login page stay: it has to say what became of a login. Call it while the scripts of the page load. */
export function stay() {
  isStaying = true;
}

/**
 * Go on with a login that was refused before it came to this page; false if no step takes over.
 * @param {({error?: string, [name: string]: unknown})} body
 */
export function takeOver(body) {
  const step = steps.get(body.error ?? "");
  step?.(body);
  return step !== undefined;
}

/**
 * Log in by a route below /auth/browser, then leave for where the login should lead. Throws ApiError, unless a step
 * takes over.
 * @param {string} route such as `/login`
 * @param {import("./api.js").Body} body
 */
export async function logIn(route, body) {
  try {
    await beginSession(route, body);
  } catch (error) {
    const step = error instanceof ApiError && steps.get(error.code);
    if (!step) throw error;
    step(error.body);
    return;
  }
  await goOn();
}

/** Leave for `?return_to=`, else for the account. @returns {Promise<never>} */
export function goOn() {
  location.replace(returnTo());
  return new Promise(() => {});
}

/** Where the login leads. */
export function returnTo() {
  const wanted = new URLSearchParams(location.search).get("return_to") ?? "";
  const origins = find("main").dataset.origins ?? "";
  return isSafe(wanted, origins.split(" ").filter(Boolean)) ? wanted : PAGES;
}

/**
 * Show this part of the page and hide the other steps, each of which has the attribute `data-step`. The focus goes to
 * what has a `tabindex`, its heading for example, else to its first field or button.
 * @param {HTMLElement} step
 */
export function showStep(step) {
  for (const other of document.querySelectorAll("[data-step]")) /** @type {HTMLElement} */ (other).hidden = true;
  step.hidden = false;
  find("[tabindex], input, button", step).focus();
}
