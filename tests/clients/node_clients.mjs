// oauth4webapi and jose, each as its documentation shows it: `node node_clients.mjs URL EMAIL PASSWORD`.
import assert from "node:assert/strict";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const [api, username, password] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true }; // plain HTTP
const issuer = new URL(api);
const server = await oauth
  .discoveryRequest(issuer, { algorithm: "oauth2", ...insecure })
  .then((response) => oauth.processDiscoveryResponse(issuer, response));
const client = { client_id: "any" };

async function logIn(parameters) {
  const response = await oauth.genericTokenEndpointRequest(
    server, client, oauth.None(), "password", new URLSearchParams(parameters), insecure,
  );
  return oauth.processGenericTokenEndpointResponse(server, client, response);
}
async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, insecure);
  return oauth.processRefreshTokenResponse(server, client, response);
}
const isInvalidGrant = (error) => error instanceof oauth.ResponseBodyError && error.error === "invalid_grant";

await assert.rejects(logIn({ username, password: "wrong" }), isInvalidGrant);
const first = await logIn({ username, password });
const second = await refresh(first.refresh_token);
assert.notEqual(second.refresh_token, first.refresh_token);
assert.equal(second.expires_in, 900);

const request = new Request(`${api}/users/me`, { headers: { Authorization: `Bearer ${second.access_token}` } });
const claims = await oauth.validateJwtAccessToken(server, request, api, insecure);
assert.equal((await fetch(request)).status, 200);

const keys = createRemoteJWKSet(new URL(server.jwks_uri));
const verified = await jwtVerify(second.access_token, keys, { issuer: api, audience: api, typ: "at+jwt" });
assert.equal(verified.payload.sub, claims.sub);
assert.equal(verified.protectedHeader.alg, "ES256");

const revoked = await oauth.revocationRequest(server, client, oauth.None(), second.access_token, insecure);
await oauth.processRevocationResponse(revoked);
assert.equal((await fetch(request)).status, 401);
await assert.rejects(refresh(second.refresh_token), isInvalidGrant);
