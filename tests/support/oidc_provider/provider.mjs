// A real OpenID provider on loopback for the tests: any login is taken, and says what its name says.
//   node provider.mjs PORT REDIRECT_URI
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const people = {
  "s-doctor": { name: "LI Wei 李伟", preferred_username: "li.wei", realm: { roles: ["radiologists", "staff"] } },
  "s-boss": { name: "WU Fang", preferred_username: "CLINIC\\wu", realm: { roles: ["it-admins", "radiologists"] } },
  "s-guest": { name: "Guest", preferred_username: "guest", realm: { roles: [] } },
};

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "coread",
      client_secret: "a secret of the tests & no other's",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
    {
      client_id: "coread-public",
      token_endpoint_auth_method: "none",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  claims: { openid: ["sub", "auth_time"], profile: ["name", "preferred_username", "realm"] },
  pkce: { methods: ["S256"], required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ["only for tests"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
