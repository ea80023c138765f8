// Where a login leads back to: ?return_to= a path of ours, or an address of an origin in BACKEND_CORS_ORIGINS.

/**
 * Whether nobody can lead people elsewhere with this address. Only the text decides, so that no two readers of URLs can
 * understand it differently: visible ASCII without a backslash, and an origin that is spelled as in the settings.
 * @param {string} address
 * @param {string[]} origins
 */
export function isSafe(address, origins) {
  if (address.length > 2000 || !/^[!-[\]-~]+$/.test(address)) return false;
  const origin = origins.find((allowed) => /^https?:/.test(allowed) && `${address}/`.startsWith(`${allowed}/`)) ?? "";
  const path = address.slice(origin.length).split(/[?#]/, 1)[0];
  if (origin && path === "") return true;
  return /^(\/[^/]+)*\/?$/.test(path) && path !== "" && !/(^|\/)(\.|%2e){1,2}(\/|$)|%(2f|5c|[01][0-9a-f]|7f)/i.test(path);
}
