// Requests to the API, and the login session of this browser.
//
// The access token lives in this page's memory only; the refresh token is in a cookie that no script can read.

/** The root of the API, below which all routes lie: this file is at /account/files/account_pages/pages/api.js. */
export const API = new URL("../../../..", import.meta.url).href.replace(/\/$/, "");
/** Where the pages are: `${PAGES}/login`; the account's own is at PAGES itself. */
export const PAGES = `${API}/account`;

/** A request that was refused, or that got no response: then `status` is 0. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Record<string, unknown>} body as the API sent it
   * @param {number} [retryAfter] seconds
   */
  constructor(status, body = {}, retryAfter) {
    super(typeof body.detail === "string" ? body.detail : `HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }

  /** The code of OAuth, such as `invalid_grant`; empty where there is none. */
  get code() {
    return String(this.body.error ?? "");
  }
}

/**
 * @typedef {object} Body at most one of
 * @property {unknown} [json]
 * @property {Record<string, string>} [form]
 */

/** @type {string | undefined} */
let accessToken;
/** @type {Promise<boolean> | undefined} */
let resuming;
/** @type {((error: ApiError) => Promise<void>) | undefined} */
let reauthenticate;

// Tells this browser's other tabs that somebody has logged in or out.
const tabs = new BroadcastChannel("session");

/**
 * Send a request with the access token, and return the body of the response; undefined if it has none.
 *
 * Where the API wants a recent login, its dialog comes first. Throws ApiError; if the session is over, the login page
 * comes instead.
 * @param {string} method
 * @param {string} path below the API's root: `/users/me`
 * @param {Body} [body]
 * @returns {Promise<any>}
 */
export async function api(method, path, body) {
  let isRefreshed = false;
  for (;;) {
    const used = accessToken;
    try {
      return await send(method, path, body, used ? { Authorization: `Bearer ${used}` } : {});
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      if (error.code === "insufficient_user_authentication" && reauthenticate) {
        await reauthenticate(error);
        continue;
      }
      if (!used || isRefreshed) throw error;
      isRefreshed = true;
      if (accessToken === used && !(await resume())) await goToLogin("ended"); // else another request has just refreshed
    }
  }
}

/**
 * Log in by a route below /auth/browser, such as `/login`. Throws ApiError.
 * @param {string} route
 * @param {Body} body
 */
export async function beginSession(route, body) {
  await inTurn(async () => {
    ({ access_token: accessToken } = await send("POST", `/auth/browser${route}`, body));
  });
  tabs.postMessage("begun");
}

/**
 * Go on with the session of this browser, if there is one. Throws ApiError if nobody knows: no network, for example.
 * @returns {Promise<boolean>}
 */
export function resume() {
  resuming ??= inTurn(async () => {
    try {
      const { access_token } = await send("POST", "/auth/browser/refresh");
      if (accessToken && accountOf(access_token) !== accountOf(accessToken)) return undefined;
      accessToken = access_token;
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 400) throw error;
      accessToken = undefined;
      return false;
    }
  }).then((isLoggedIn) => {
    if (isLoggedIn !== undefined) return isLoggedIn;
    location.reload(); // somebody else has logged in elsewhere in this browser: nothing of theirs is done from here
    return new Promise(() => {});
  }).finally(() => {
    resuming = undefined;
  });
  return resuming;
}

/**
 * Whose access token it is (RFC 9068).
 * @param {string} token
 * @returns {string}
 */
function accountOf(token) {
  return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub;
}

/** End the session of this browser; throws ApiError. */
export async function endSession() {
  await inTurn(() => send("POST", "/auth/browser/logout"));
  accessToken = undefined;
  tabs.postMessage("over");
}

/**
 * Show the login page. Whoever didn't leave on purpose comes back here from it.
 * @param {"ended" | "logged-out" | "deleted" | "password-changed"} [reason] what the page says
 * @returns {Promise<never>} so that nothing goes on meanwhile
 */
export function goToLogin(reason) {
  accessToken = undefined;
  const query = new URLSearchParams(reason ? { reason } : {});
  if (reason !== "logged-out" && reason !== "deleted") query.set("return_to", location.pathname + location.hash);
  location.replace(`${PAGES}/login?${query}`);
  return new Promise(() => {});
}

/** Tell the other tabs that the session is over, where it wasn't `endSession` that ended it. */
export const tellOtherTabs = () => tabs.postMessage("over");

/** @param {(event: "begun" | "over") => void} listener hears what other tabs did */
export function onOtherTab(listener) {
  tabs.addEventListener("message", (event) => listener(event.data));
}

/** @param {(error: ApiError) => Promise<void>} dialog returns once the session is recent, and throws if it won't be */
export function setReauthentication(dialog) {
  reauthenticate = dialog;
}

/**
 * One request at a time, of all tabs: each has the cookie of the previous response.
 * @template T
 * @param {() => Promise<T>} request
 * @returns {Promise<T>}
 */
async function inTurn(request) {
  if (!isSecureContext) throw new ApiError(0); // then the cookie wouldn't be stored either
  return navigator.locks.request("session", request);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Body} [body]
 * @param {Record<string, string>} [headers]
 */
async function send(method, path, { json, form } = {}, headers = {}) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(API + path, {
      method,
      body: form ? new URLSearchParams(form) : json === undefined ? undefined : JSON.stringify(json),
      headers: json === undefined ? headers : { ...headers, "Content-Type": "application/json" },
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(30_000), // milliseconds
    });
  } catch {
    throw new ApiError(0);
  }
  const body = await response.json().catch(() => undefined); // a proxy's error page isn't JSON
  if (response.ok) return body;
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  throw new ApiError(response.status, body ?? {}, Number.isFinite(seconds) ? seconds : undefined);
}
