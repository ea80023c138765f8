// The providers that people can log in with, and what to say where that ends without a login.

import { API, api } from "../../account_pages/pages/api.js";
import { addWords } from "../../account_pages/pages/words.js";

/**
 * @typedef {object} Provider
 * @property {string} id
 * @property {string} name
 */

/** By the `error` of the address that a provider leads back to. @type {Record<string, string>} */
const REFUSALS = {
  access_denied: "You didn’t log in there, or it refused. Try again, or log in in another way.",
  account_exists:
    "There is an account with your email address. Log in to it as you usually do, then link this login in your account.",
  account_unavailable: "This account is closed.",
  email_not_verified: "Your email address isn’t confirmed yet. Confirm it, then log in again.",
  email_required: "We need an email address, and your account there has none that it tells us.",
  identity_taken: "This login belongs to another account.",
  insufficient_user_authentication: "That took too long. Try again.",
  invalid_response: "Something is wrong with that login. Try again later, or log in in another way.",
  invalid_state: "That took too long, or began in another browser. Try again.",
  invalid_token: "You were logged out meanwhile. Log in, and try again.",
  login_required: "It doesn’t say that you have just logged in there. Log out here, and log in again.",
  provider_email_not_verified: "Your email address isn’t confirmed there. Confirm it there, then log in again.",
  temporarily_unavailable: "That login can’t be reached at the moment. Try again later, or log in in another way.",
  too_many_identities: "You have linked as many logins as an account can have.",
};

addWords({
  "Linked login not found": "This login is removed already.",
  "The account has a password already": "Your account has a password already. Load the page again to change it.",
  "The provider is unavailable, try again later": REFUSALS.temporarily_unavailable,
  "This provider doesn't say when somebody logged in there": REFUSALS.login_required,
  "Provider not found": null,
  "return_to must be a path here, an address of BACKEND_CORS_ORIGINS or of SIGN_IN_APP_SCHEMES": null,
  "code_challenge belongs to an address of SIGN_IN_APP_SCHEMES, and to no other": null,
  "Invalid or expired code": null,
});

/** @returns {Promise<Provider[]>} */
export const readProviders = () => api("GET", "/auth/providers");

/**
 * Where a link leads that logs in with this provider, and from there on to a page of ours.
 * @param {Provider} provider
 * @param {string} returnTo
 */
export function loginAddress({ id }, returnTo) {
  if (returnTo.startsWith(`${location.origin}/`)) returnTo = returnTo.slice(location.origin.length); // a path of ours
  return `${API}/auth/providers/${id}/login?${new URLSearchParams({ return_to: returnTo })}`;
}

/**
 * Why a provider led back here without a login, and what else the address says of it. Takes it out of the address.
 * @returns {({text: string, body: Record<string, string>}) | undefined}
 */
export function takeRefusal() {
  const body = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!body.error) return undefined;
  history.replaceState(null, "", location.pathname + location.search);
  return { text: REFUSALS[Object.hasOwn(REFUSALS, body.error) ? body.error : "access_denied"], body };
}
