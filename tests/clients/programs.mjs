// oauth4webapi and openid-client with an API key, each as its documentation shows it: `node programs.mjs URL ID KEY`.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const [api, client_id, key] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true }; // plain HTTP
const issuer = new URL(api);
const server = await oauth
  .discoveryRequest(issuer, { algorithm: "oauth2", ...insecure })
  .then((response) => oauth.processDiscoveryResponse(issuer, response));
assert.ok(server.grant_types_supported.includes("client_credentials"));
assert.ok(server.scopes_supported.includes("account"));
const client = { client_id };

async function exchange(authentication, scope) {
  const parameters = new URLSearchParams(scope ? { scope } : {});
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, insecure);
  return oauth.processClientCredentialsResponse(server, client, response);
}

for (const authentication of [oauth.ClientSecretBasic(key), oauth.ClientSecretPost(key)]) {
  const token = await exchange(authentication, "account");
  assert.equal(token.scope, "account");
  const request = new Request(`${api}/users/me`, { headers: { Authorization: `Bearer ${token.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, api, insecure);
  assert.equal(claims.client_id, client_id);
  assert.equal(claims.sub, (await (await fetch(request)).json()).id);
  await assert.rejects(
    exchange(authentication, "users:write"),
    (error) => error instanceof oauth.ResponseBodyError && error.error === "invalid_scope",
  );
}
for (const wrong of [oauth.ClientSecretBasic("wrong"), oauth.ClientSecretPost("wrong")]) {
  // With a challenge, as RFC 9110 wants it for any 401, the library shows that first.
  await assert.rejects(exchange(wrong), (error) => error.status === 401);
}

const config = await openid.discovery(issuer, client_id, key, undefined, {
  algorithm: "oauth2",
  execute: [openid.allowInsecureRequests],
});
const token = await openid.clientCredentialsGrant(config, { scope: "account" });
const response = await openid.fetchProtectedResource(config, token.access_token, new URL(`${api}/users/me`), "GET");
assert.equal(response.status, 200);
await openid.tokenRevocation(config, token.access_token);
await assert.rejects(
  openid.fetchProtectedResource(config, token.access_token, new URL(`${api}/users/me`), "GET"),
  (error) => error.status === 401,
);
