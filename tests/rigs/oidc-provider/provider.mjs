// A certified OpenID Connect provider, headless: whoever comes to authorize is logged in as one account and consents.
// Prints one JSON line, {"issuer":"http://127.0.0.1:PORT","ready":true}, when it listens, and ends when its stdin closes.
//
// Settings, from the environment: OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_REDIRECT_URI are required;
// OIDC_CLIENT_AUTH_METHOD (client_secret_basic, or client_secret_post), OIDC_ACCOUNT (ada),
// OIDC_ACCESS_TOKEN_SECONDS (300), OIDC_PORT (any free one).
//
// A refresh token needs the scope `offline_access`, and that scope is dropped without `prompt=consent`
// (OpenID Connect Core 1.0, section 11). The interaction lives in cookies: follow the redirects with a cookie jar.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

// Stdout carries the ready line and nothing else; the library writes its notices with console.info.
console.info = console.error;

const settings = readSettings(process.env);
const server = createServer();
server.listen(settings.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration(settings));
  provider.on('server_error', (_ctx, error) => console.error(error));
  provider.use(answerInteractions(provider, settings.account));
  server.on('request', provider.callback());
  process.stdout.write(`${JSON.stringify({ issuer, ready: true })}\n`);
});
server.on('error', (error) => {
  console.error(`oidc-provider rig: ${error.message}`);
  process.exit(1);
});
// The test that started us holds our stdin, so its death is our end.
process.stdin.resume().once('close', () => process.exit(0));

function readSettings(env) {
  const required = ['OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET', 'OIDC_REDIRECT_URI'];
  const missing = required.filter((name) => !env[name]);
  const accessTokenSeconds = Number(env.OIDC_ACCESS_TOKEN_SECONDS ?? 300);
  const port = Number(env.OIDC_PORT ?? 0);
  if (missing.length > 0) refuse(`set ${missing.join(', ')}`);
  if (!Number.isInteger(accessTokenSeconds) || accessTokenSeconds < 1) refuse('OIDC_ACCESS_TOKEN_SECONDS is a whole number from 1');
  if (!Number.isInteger(port) || port < 0 || port > 65535) refuse('OIDC_PORT is a port, or 0 for any');
  return {
    clientId: env.OIDC_CLIENT_ID,
    clientSecret: env.OIDC_CLIENT_SECRET,
    redirectUri: env.OIDC_REDIRECT_URI,
    clientAuthMethod: env.OIDC_CLIENT_AUTH_METHOD ?? 'client_secret_basic',
    account: env.OIDC_ACCOUNT ?? 'ada',
    accessTokenSeconds,
    port,
  };
}

function refuse(reason) {
  console.error(`oidc-provider rig: ${reason}`);
  process.exit(2);
}

function configuration({ clientId, clientSecret, redirectUri, clientAuthMethod, accessTokenSeconds }) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const hour = 3600;
  return {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: clientAuthMethod,
    }],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: id, email: `${id}@example.com`, email_verified: true }),
    }),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    clockTolerance: 0, // a token is refused from its very expiry on, so that lifetimes of seconds are true
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: true },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    jwks: { keys: [privateKey.export({ format: 'jwk' })] },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 24 * hour,
      IdToken: hour,
      Interaction: hour,
      RefreshToken: 24 * hour,
      Session: 24 * hour,
    },
  };
}

// Clicks "log in" and "allow" for the one account, in the place of a page that would ask a person.
function answerInteractions(provider, account) {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const interaction = await provider.interactionDetails(ctx.req, ctx.res);
    const result = interaction.prompt.name === 'login'
      ? { login: { accountId: account } }
      : { consent: { grantId: await grantEverything(provider, interaction) } };
    const location = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
    return ctx.redirect(location);
  };
}

async function grantEverything(provider, { grantId, params, session }) {
  const grant = (grantId && await provider.Grant.find(grantId))
    ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return grant.save();
}
