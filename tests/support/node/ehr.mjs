// An EHR for tests: oidc-provider (OpenID certified, by another make) as its authorisation server, with what SMART App Launch 2.2 adds:
// `aud` must be its FHIR base, PKCE by S256 is required, and a launch's context comes in the token response. Its FHIR base answers whoever
// brings a token that it issued: with what the FHIR server `behind` it says to a read or a search, else with any resource that is asked for.
// It logs in whoever comes: Dr. Test.
//
// node ehr.mjs '{"clients": [...], "launches": {"<launch value>": {"context": {...}, "claims": {...}, "without": ["<scope>"]}}}'
import http from 'node:http';
import Provider, { errors } from 'oidc-provider';

const config = JSON.parse(process.argv[2]);
const server = http.createServer();
await new Promise((listening) => server.listen(0, 'localhost', listening));
const origin = `http://localhost:${server.address().port}`;
const fhir = `${origin}/fhir`;
const launchOf = new Map(); // grant id -> what the launch is about
const last = { claims: {} };

const provider = new Provider(origin, {
  clients: config.clients,
  scopes: config.scopes,
  claims: { openid: ['sub'], fhirUser: ['fhirUser', 'locale', 'groups'] },
  conformIdTokenClaims: false,
  enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'] },
  pkce: { methods: ['S256'], required: () => true },
  features: { devInteractions: { enabled: false } },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
  extraParams: {
    launch: null,
    aud(_ctx, value) {
      if (value !== fhir) throw new errors.InvalidRequest('aud is not this FHIR server');
    },
  },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, fhirUser: `${fhir}/Practitioner/c1`, ...last.claims }) }),
  interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}` },
});
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path === '/token' && ctx.status === 200) Object.assign(ctx.body, launchOf.get(ctx.oidc.entities.Grant.jti).context);
});

async function logIn(request, response) {
  const { params, grantId } = await provider.interactionDetails(request, response);
  const launch = { context: {}, claims: {}, without: [], ...config.launches[params.launch ?? ''] };
  last.claims = launch.claims;
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: 'dr-test', clientId: params.client_id });
  const asked = params.scope.split(' ');
  grant.addOIDCScope(asked.filter((scope) => !launch.without.includes(scope)).join(' '));
  grant.rejectOIDCScope(launch.without.join(' '));
  const id = await grant.save();
  launchOf.set(id, launch);
  const result = launch.denied ? { error: 'access_denied' } : { login: { accountId: 'dr-test' }, consent: { grantId: id } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function readRecord(request, response, path, search) {
  const bearer = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const token = bearer && (await provider.AccessToken.find(bearer));
  if (token && config.behind) {
    const answer = await fetch(`${config.behind}/${path}${search}`, { method: request.method, headers: { accept: request.headers.accept ?? '*/*' } });
    const headers = Object.fromEntries(['content-type', 'etag', 'last-modified'].map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value));
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
    return;
  }
  const [resourceType, id] = path.split('/');
  json(response, token ? 200 : 401, token ? { resourceType, id } : { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login' }] });
}

function json(response, status, content) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
}

const oidc = provider.callback();
server.on('request', async (request, response) => {
  const { pathname, search, searchParams } = new URL(request.url, origin);
  if (pathname === '/fhir/.well-known/smart-configuration') {
    json(response, 200, {
      issuer: origin,
      jwks_uri: `${origin}/jwks`,
      authorization_endpoint: `${origin}/auth`,
      token_endpoint: `${origin}/token`,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      capabilities: ['launch-ehr', 'launch-standalone', 'sso-openid-connect', 'context-ehr-patient', 'context-banner'],
    });
  } else if (pathname.startsWith('/fhir/')) {
    await readRecord(request, response, pathname.slice('/fhir/'.length), search);
  } else if (pathname.startsWith('/login/')) {
    await logIn(request, response).catch(() => response.writeHead(400).end('no log-in is under way here'));
  } else if (pathname === '/chart') {
    const app = searchParams.get('app').replaceAll('"', '');
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>EHR</title><iframe name="app" width="900" height="600" src="${app}"></iframe>`);
  } else {
    oidc(request, response);
  }
});
console.log(origin);
