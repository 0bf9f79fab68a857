//! Clients that sign: private_key_jwt and JWT bearer (RFC 7523).

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};

use crate::fake::{Asked, Bench, Fake, Outcome, credential, now, scopes, secret};

/// Made once: it takes a while.
static RSA: LazyLock<rsa::RsaPrivateKey> =
    LazyLock::new(|| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key"));

type Key = (&'static str, String, Algorithm, Option<&'static str>);

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_public() -> Result<DecodingKey, jsonwebtoken::errors::Error> {
    let (n, e) = (RSA.n().to_bytes_be(), RSA.e().to_bytes_be());
    Ok(DecodingKey::from_rsa_raw_components(&n, &e))
}

/// The same two keys in each form.
fn forms(ec: &p256::SecretKey) -> Result<Vec<Key>, Box<dyn std::error::Error>> {
    let end = Default::default();
    let pkcs1 = RSA.to_pkcs1_pem(end)?.to_string();
    let rsa_pkcs8 = RSA.to_pkcs8_pem(end)?.to_string();
    let [p, q] = [&RSA.primes()[0], &RSA.primes()[1]].map(|prime| base64(&prime.to_bytes_be()));
    let (n, e, d) = (RSA.n(), RSA.e(), RSA.d());
    let [n, e, d] = [n, e, d].map(|number| base64(&number.to_bytes_be()));
    let jwk = json!({"kty": "RSA", "kid": "k1", "use": "sig", "n": n, "e": e, "d": d});
    let mut whole_jwk = jwk.clone();
    whole_jwk["p"] = p.into();
    whole_jwk["q"] = q.into();
    let key_file = json!({
        "type": "service_account", "private_key_id": "k2", "private_key": rsa_pkcs8,
        "client_email": "a@example.com",
    });
    let point = ec.public_key().to_encoded_point(false);
    let (x, y) = (point.x().ok_or("no x")?, point.y().ok_or("no y")?);
    let ec_jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "k3", "x": base64(x), "y": base64(y), "d": base64(&ec.to_bytes()),
    });
    Ok(vec![
        ("PKCS#1", pkcs1, Algorithm::RS256, None),
        ("PKCS#8", format!("\n{rsa_pkcs8}\n"), Algorithm::RS256, None),
        ("JWK", jwk.to_string(), Algorithm::RS256, Some("k1")),
        (
            "JWK with primes",
            whole_jwk.to_string(),
            Algorithm::RS256,
            Some("k1"),
        ),
        (
            "key file",
            key_file.to_string(),
            Algorithm::RS256,
            Some("k2"),
        ),
        (
            "EC PKCS#8",
            ec.to_pkcs8_pem(end)?.to_string(),
            Algorithm::ES256,
            None,
        ),
        (
            "EC SEC 1",
            ec.to_sec1_pem(end)?.to_string(),
            Algorithm::ES256,
            None,
        ),
        ("EC JWK", ec_jwk.to_string(), Algorithm::ES256, Some("k3")),
    ])
}

/// The claims of a JWT whose signature is right.
fn verified(
    jwt: &str,
    algorithm: Algorithm,
    ec: &p256::SecretKey,
) -> Result<Value, Box<dyn std::error::Error>> {
    let key = match algorithm {
        Algorithm::RS256 => rsa_public()?,
        _ => DecodingKey::from_ec_der(ec.public_key().to_encoded_point(false).as_bytes()),
    };
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    Ok(decode::<Value>(jwt, &key, &validation)?.claims)
}

const SIGNING: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token?v=1'
    auth = 'private_key_jwt'
    params = { secret = '{client_secret}' }
    [revoke]
    url = 'ORIGIN/revoke'
    params = { token = '{token}', secret = '{client_secret}' }
";

fn assertion(asked: &Asked) -> String {
    let form = asked.form();
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(form["client_assertion_type"], kind);
    assert_eq!(form["client_id"], "client:1");
    assert!(
        !form.contains_key("client_secret") && !form.contains_key("secret"),
        "the key was sent"
    );
    assert_eq!(asked.header("authorization"), "");
    form["client_assertion"].clone()
}

#[tokio::test]
async fn a_client_proves_itself_with_its_key_in_any_form() -> Outcome {
    let ec = p256::SecretKey::random(&mut rsa::rand_core::OsRng);
    let mut seen = Vec::new();
    for (form, key, algorithm, key_id) in forms(&ec)? {
        let fake = Fake::json(|_| (200, json!({"access_token": "t"}))).await?;
        let mut bench = Bench::defined(&fake.origin, SIGNING)?;
        bench.connector.client_secret = Some(Secret::new(key));
        bench
            .refresh(&secret(), &[])
            .await
            .map_err(|failure| format!("{form}: {failure}"))?;
        bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await?;
        for asked in fake.asked() {
            let jwt = assertion(&asked);
            assert_eq!(decode_header(&jwt)?.kid.as_deref(), key_id, "{form}");
            let claims = verified(&jwt, algorithm, &ec)?;
            assert_eq!(claims["iss"], "client:1");
            assert_eq!(claims["sub"], "client:1");
            assert_eq!(claims["aud"], format!("{}/token?v=1", fake.origin));
            let (issued, ends) = (claims["iat"].as_i64(), claims["exp"].as_i64());
            assert_eq!(issued, Some(now().timestamp() - 30));
            assert_eq!(ends, Some(now().timestamp() + 270));
            seen.push(claims["jti"].to_string());
        }
    }
    assert_eq!(seen.len(), 16);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 16, "an assertion was used twice");
    Ok(())
}

#[tokio::test]
async fn keys_are_rotated_as_secrets_are() -> Outcome {
    let (old, new) = (
        p256::SecretKey::random(&mut rsa::rand_core::OsRng),
        p256::SecretKey::random(&mut rsa::rand_core::OsRng),
    );
    let right = new.clone();
    let fake =
        Fake::json(
            move |asked| match verified(&assertion(asked), Algorithm::ES256, &right) {
                Ok(_) => (200, json!({"access_token": "t"})),
                Err(_) => (401, json!({"error": "invalid_client"})),
            },
        )
        .await?;
    let mut bench = Bench::defined(&fake.origin, SIGNING)?;
    let pem = |key: &p256::SecretKey| {
        key.to_pkcs8_pem(Default::default())
            .map(|pem| Secret::new(pem.as_str()))
    };
    bench.connector.client_secret = Some(pem(&old)?);
    bench.connector.other_client_secrets = vec![pem(&new)?];
    bench.refresh(&secret(), &[]).await?;
    assert_eq!(fake.asked().len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_is_no_key_is_named_and_not_sent() -> Outcome {
    let fake = Fake::json(|_| (200, json!({"access_token": "t"}))).await?;
    let mut bench = Bench::defined(&fake.origin, SIGNING)?;
    let cut = RSA
        .to_pkcs1_pem(Default::default())?
        .get(..200)
        .unwrap_or_default()
        .to_owned();
    let dashes = "-".repeat(5);
    for no_key in [
        None,
        Some(secret().expose().to_owned()),
        Some("{}".to_owned()),
        Some(r#"{"private_key": 7}"#.to_owned()),
        Some(r#"{"kty": "oct", "k": "AAAA"}"#.to_owned()),
        Some(r#"{"kty": "EC", "crv": "P-256", "d": "AA"}"#.to_owned()),
        Some(r#"{"kty": "RSA", "n": "AQ", "e": "AQ", "d": "AQ"}"#.to_owned()),
        Some(r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": ""}"#.to_owned()),
        Some(r#"{"kty": "RSA", "n": "", "e": "AQAB", "d": "AQAB"}"#.to_owned()),
        Some(
            r#"{"kty": "RSA", "n": "AQ", "e": "AQAB", "d": "AQ", "p": "AQ", "q": "AQ"}"#.to_owned(),
        ),
        Some("{".to_owned()),
        Some(cut),
        Some(format!(
            "{dashes}BEGIN PRIVATE KEY{dashes}\nAAAA\n{dashes}END PRIVATE KEY{dashes}"
        )),
    ] {
        bench.connector.client_secret = no_key.clone().map(Secret::new);
        let failure = bench
            .refresh(&secret(), &[])
            .await
            .err()
            .ok_or("it was sent")?;
        assert_eq!(failure.kind, TokenFailureKind::NotSent);
        assert!(failure.detail.contains("private key"), "{failure}");
        if let Some(key) = no_key.filter(|key| key.len() > 10) {
            assert!(!failure.to_string().contains(&key));
        }
    }
    assert!(fake.asked().is_empty());
    Ok(())
}

const BEARER: &str = "
    grant = 'jwt_bearer'
    [token]
    url = 'ORIGIN/token'
    [assertion]
    issuer = '{client_id}'
    subject = '{subject}'
    [[connection_config]]
    name = 'subject'
    display_name = ''
    description = ''
    pattern = '.*'
    pattern_error = ''
    operator_only = true
";

fn with_key(bench: Bench, key: &p256::SecretKey) -> Result<Bench, Box<dyn std::error::Error>> {
    let pem = key.to_pkcs8_pem(Default::default())?;
    let mut bench = bench;
    bench.connector.client_secret = Some(Secret::new(pem.as_str()));
    Ok(bench)
}

#[tokio::test]
async fn an_assertion_is_a_grant_of_its_own() -> Outcome {
    let key = p256::SecretKey::random(&mut rsa::rand_core::OsRng);
    for (claim, audience) in [
        ("", None),
        (
            "scope_claim = 'scope'\naudience = 'https://api.example.com'\nlifetime_seconds = 3600",
            Some("https://api.example.com"),
        ),
    ] {
        let fake = Fake::json(|_| (200, json!({"access_token": "t"}))).await?;
        let sections = BEARER.replace("[assertion]", &format!("[assertion]\n{claim}"));
        let mut bench = with_key(Bench::defined(&fake.origin, &sections)?, &key)?;
        bench
            .connector
            .connection_config
            .insert("subject".to_owned(), "user@example.com".to_owned());
        let asked_for = scopes(&["a", "b"]);
        let first = bench.obtain(None, &asked_for).await?;
        let standing = first.refresh_token.ok_or("nothing renews it")?;
        assert_eq!(standing, Secret::new("jwt_bearer"));
        let again = bench.refresh(&standing, &asked_for).await?;
        assert_eq!(again.refresh_token, Some(standing));
        assert_eq!(fake.asked().len(), 2);
        for asked in fake.asked() {
            let form = asked.form();
            assert_eq!(
                form["grant_type"],
                "urn:ietf:params:oauth:grant-type:jwt-bearer"
            );
            // By default the client's secret would be sent: here it is a key.
            assert_eq!(asked.header("authorization"), "");
            assert!(!asked.body.contains("PRIVATE") && !form.contains_key("client_secret"));
            let claims = verified(&form["assertion"], Algorithm::ES256, &key)?;
            let endpoint = format!("{}/token", fake.origin);
            assert_eq!(claims["aud"], audience.unwrap_or(&endpoint));
            assert_eq!(claims["iss"], "client:1");
            assert_eq!(claims["sub"], "user@example.com");
            let (as_claim, as_parameter) = (claims.get("scope"), form.get("scope"));
            assert_eq!(as_claim.is_some(), audience.is_some());
            assert_eq!(as_parameter.is_some(), audience.is_none());
            let lifetime = claims["exp"]
                .as_i64()
                .zip(claims["iat"].as_i64())
                .map(|(exp, iat)| exp - iat);
            assert_eq!(lifetime, Some(if audience.is_some() { 3600 } else { 300 }));
        }
    }
    // Without a subject there is no such claim.
    let fake = Fake::json(|_| (200, json!({"access_token": "t"}))).await?;
    let bench = with_key(Bench::defined(&fake.origin, BEARER)?, &key)?;
    bench.obtain(None, &[]).await?;
    let claims = verified(&fake.only()?.form()["assertion"], Algorithm::ES256, &key)?;
    assert_eq!(claims.get("sub"), None);
    Ok(())
}

#[tokio::test]
async fn an_assertion_can_be_the_bearer_token_of_a_request_without_a_grant() -> Outcome {
    let key = p256::SecretKey::random(&mut rsa::rand_core::OsRng);
    let sections = "
        grant = 'jwt_bearer'
        [assertion]
        place = 'bearer'
        [token]
        url = 'ORIGIN/installations/{installation}/tokens'
        encoding = 'json'
        params = { days = 1 }
        [token.answer]
        access_token = 'token'
        expires_at = 'expires_at'
        [identity]
        url = 'ORIGIN/installations/{installation}'
        auth = 'assertion'
        id = ['/account/id']
        [[connection_config]]
        name = 'installation'
        display_name = ''
        description = ''
        default = '7'
        pattern = '.*'
        pattern_error = ''
    ";
    let fake = Fake::json(|asked| match asked.method.as_str() {
        "POST" => (
            201,
            json!({"token": "t", "expires_at": "2027-01-15T09:00:00Z"}),
        ),
        _ => (200, json!({"account": {"id": 9}})),
    })
    .await?;
    let bench = with_key(Bench::defined(&fake.origin, sections)?, &key)?;
    let answer = bench.obtain(None, &scopes(&["a"])).await?;
    assert_eq!(answer.access_token, Secret::new("t"));
    let raw = bench.redeem().await?;
    assert_eq!(bench.read(&raw).await?, answer);
    let asked = fake.last()?;
    assert_eq!(asked.uri.path(), "/installations/7/tokens");
    assert_eq!(asked.json(), json!({"days": 1}));
    verified(asked.bearer(), Algorithm::ES256, &key)?;
    let identified = bench
        .client
        .identify(bench.registration(), &secret())
        .await?;
    assert_eq!(identified.account.id.as_deref(), Some("9"));
    verified(fake.last()?.bearer(), Algorithm::ES256, &key)?;
    Ok(())
}
