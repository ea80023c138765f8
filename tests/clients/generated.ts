// What openapi-typescript has made of the specification, with openapi-fetch: it compiles, and it talks.
import createClient from "openapi-fetch";
import type { paths } from "./api";

const [baseUrl, username, password] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl });
const headers = { "Content-Type": "application/x-www-form-urlencoded" };

const wrong = await api.POST("/auth/access-token", { body: { username, password: "wrong" }, headers });
if (!wrong.error || !("error" in wrong.error) || wrong.error.error !== "invalid_grant") throw new Error("a wrong password passed");
const tokens = await api.POST("/auth/access-token", { body: { username, password }, headers });
if (!tokens.data) throw new Error(JSON.stringify(tokens.error));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${tokens.data.access_token}`);
  },
});
const me = await api.GET("/users/me");
if (me.data?.email !== username) throw new Error(JSON.stringify(me.error));
const pet = await api.POST("/pets/create", { body: { pet_name: "Rex" } });
if (!pet.data) throw new Error(JSON.stringify(pet.error));
const renamed = await api.PATCH("/pets/{pet_id}", {
  params: { path: { pet_id: pet.data.id } },
  body: { pet_name: "Rover" },
});
if (renamed.data?.pet_name !== "Rover") throw new Error(JSON.stringify(renamed.error));
