// What people read where the API refuses something.

import { ApiError } from "./api.js";

/**
 * @typedef {object} Words
 * @property {string} text
 * @property {string} [field] the name of the field that it is about
 */

/**
 * @typedef {object} Problem of FastAPI's 422
 * @property {string} type
 * @property {(string | number)[]} loc
 * @property {string} msg
 */

const GENERAL = "Something went wrong on our side. Try again in a moment.";

/** By the API's `detail`; null: no page causes it, or it has nothing to say to people.
 * @type {Record<string, string | [string, field: string] | null>} */
const DETAILS = {
  "Incorrect email or password": ["The email address or the password is wrong.", "password"],
  "Incorrect password": ["That isn’t your password.", "current_password"],
  "Cannot use this email address": ["This email address can’t be used. Perhaps you have an account already?", "email"],
  "The last active superuser must remain": "This is the last superuser’s account. Make somebody else superuser first.",
  "This is the only way to log in to the account": "This is your only way to log in. Set up another one first.",
  "Session not found": "That session is over already.",
  "Log in again, or re-authenticate, to do this": "Log in again to do this.",
  "Log in with more than a password to do this": "Log out, and log in with more than a password, to do this.",
  "Too many logins and registrations at once, try again": "There are very many logins at the moment. Try again.",
  "The service is temporarily unavailable, try again": "We can’t reach our database at the moment. Try again.",
  "Requests of other sites are refused": "This page was opened under an address that the server doesn’t know as its own.",
  "Content Too Large": null,
  "Invalid access token": null,
  "Invalid header": null,
  "Invalid host or query": null,
  "Invalid refresh token": null,
  "Not Found": null,
  "Not authenticated": null,
  "Only superusers may do this": null,
  "The token lacks a scope": null, // a login has all scopes of its account
  "There was an error parsing the body": null,
  "Too many attempts, try again later": null, // see `inWords`
  "Unsupported grant type": null,
  "User not found": null,
};

/** By the type of a problem in a 422. @type {Record<string, string>} */
const PROBLEMS = {
  common_password: "This is one of the most common passwords, which are tried first. Choose another one.",
  own_address: "Your password can’t be your email address.",
  string_too_long: "This is too long.",
  string_too_short: "This is too short.",
};

/**
 * Add words for more `detail`s of the API.
 * @param {Record<string, string | [string, field: string] | null>} details
 */
export function addWords(details) {
  Object.assign(DETAILS, details);
}

/**
 * What to say of an error: of a 422 perhaps several things.
 * @param {unknown} error
 * @returns {Words[]}
 */
export function inWords(error) {
  if (!(error instanceof ApiError)) {
    console.error(error);
    return [{ text: GENERAL }];
  }
  const { status, retryAfter, body } = error;
  if (status === 0 && !isSecureContext) return [{ text: "This page works over HTTPS only: its address has to begin with https://." }];
  if (status === 0) return [{ text: "The server can’t be reached. Check your connection, and try again." }];
  if (status === 429) return [{ text: `Too many attempts. Try again in ${inTime(retryAfter ?? 60)}.` }];
  if (Array.isArray(body.detail)) return body.detail.map(ofProblem);
  const words = DETAILS[String(body.detail)];
  if (words) return typeof words === "string" ? [{ text: words }] : [{ text: words[0], field: words[1] }];
  return [{ text: GENERAL }];
}

/**
 * @param {Problem} problem
 * @returns {Words}
 */
function ofProblem({ type, loc, msg }) {
  const isAddress = msg.startsWith("value is not a valid email address");
  const text = isAddress ? "Enter an email address like ana@example.com." : PROBLEMS[type];
  return { text: text ?? "This can’t be used here.", field: String(loc.at(-1)) };
}

/** @param {number} seconds */
export function inTime(seconds) {
  const [count, unit] = seconds < 90 ? [Math.max(1, seconds), "second"] : [Math.ceil(seconds / 60), "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
