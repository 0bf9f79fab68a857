//! The table of odd answers. Reasons stand where a class is open to argument; the classes are those of a client that
//! loses no connection: whatever does not say that nothing was spent is ambiguous.

use crate::misanswer::{
    Headers, Misanswer,
    Outcome::{
        self, Ambiguous, ClientRejected, Garbage, GrantRejected, RateLimited, RequestRejected,
        Success, SuccessKeepingRefreshToken, SuccessWithoutIdentity,
    },
    Shape::{
        self, Canned, Closed, Dripping, Half, Headers as WithHeaders, Members, Padded, Reset,
        Status, Truncated, Wrapped,
    },
};

const NONE: Headers = &[];
const JSON: Headers = &[("content-type", "application/json")];
const FORM: Headers = &[("content-type", "application/x-www-form-urlencoded")];
const HTML: Headers = &[("content-type", "text/html; charset=utf-8")];
const TEXT: Headers = &[("content-type", "text/plain")];
const PAGE: &str = "<!doctype html><title>Back soon</title><p>Back soon";

#[rustfmt::skip] // A table: a row each.
pub(crate) const ALL: &[Misanswer] = &[
    // Refused for now.
    refused("429 with Retry-After", RateLimited, Canned(429, &[("retry-after", "1")], "")),
    refused("429 without Retry-After", RateLimited, Canned(429, NONE, "")),
    refused("429 with a Retry-After that is no time", RateLimited, Canned(429, &[("retry-after", "soon")], "")),
    refused("429 with a negative Retry-After", RateLimited, Canned(429, &[("retry-after", "-5")], "")),
    refused("429 with a Retry-After that is over", RateLimited, Canned(429, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], "")),
    refused("429 with an HTML page", RateLimited, Canned(429, HTML, PAGE)),
    refused("429 that says invalid_grant", RateLimited, Canned(429, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("503 with Retry-After", RateLimited, Canned(503, &[("retry-after", "1")], "")),
    // Rejected.
    refused("400 invalid_grant", GrantRejected, Canned(400, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("401 invalid_grant", GrantRejected, Canned(401, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("403 invalid_grant", GrantRejected, Canned(403, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("200 with invalid_grant", GrantRejected, Canned(200, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("400 invalid_grant as plain text", GrantRejected, Canned(400, TEXT, r#"{"error":"invalid_grant"}"#)),
    refused("400 invalid_grant as a form", GrantRejected, Canned(400, FORM, "error=invalid_grant")),
    refused("400 invalid_grant with odd members", GrantRejected, Canned(400, JSON, r#"{"error":"invalid_grant","error_description":{"code":70043},"error_uri":7}"#)),
    // The client and the request.
    refused("401 invalid_client", ClientRejected, Canned(401, JSON, r#"{"error":"invalid_client"}"#)),
    refused("400 invalid_client", ClientRejected, Canned(400, JSON, r#"{"error":"invalid_client"}"#)),
    refused("200 with invalid_client", ClientRejected, Canned(200, JSON, r#"{"error":"invalid_client"}"#)),
    refused("400 unauthorized_client", ClientRejected, Canned(400, JSON, r#"{"error":"unauthorized_client"}"#)),
    refused("401 without a body", ClientRejected, Canned(401, NONE, "")),
    refused("400 invalid_request", RequestRejected, Canned(400, JSON, r#"{"error":"invalid_request"}"#)),
    refused("400 invalid_scope", RequestRejected, Canned(400, JSON, r#"{"error":"invalid_scope"}"#)),
    refused("400 without a body", RequestRejected, Canned(400, NONE, "")),
    refused("403 page of a firewall", RequestRejected, Canned(403, HTML, PAGE)),
    refused("404 as plain text", RequestRejected, Canned(404, TEXT, "not found")),
    refused("405 without a body", RequestRejected, Canned(405, NONE, "")),
    refused("301 elsewhere", RequestRejected, Canned(301, &[("location", "http://127.0.0.1:9/moved")], "")),
    refused("302 to a login page", RequestRejected, Canned(302, &[("location", "/app/connected")], PAGE)),
    refused("303 to itself", RequestRejected, Canned(303, &[("location", "/token")], "")),
    // Followed, these would redeem the refresh token a second time.
    refused("307 to itself", RequestRejected, Canned(307, &[("location", "/token")], "")),
    refused("308 to itself", RequestRejected, Canned(308, &[("location", "/token")], "")),
    refused("302 without Location", RequestRejected, Canned(302, NONE, "")),
    // It may have happened, and did not.
    refused("409 without a body, not processed", Ambiguous, Canned(409, NONE, "")),
    refused("500 without a body, not processed", Ambiguous, Canned(500, NONE, "")),
    refused("502 page of a gateway, not processed", Ambiguous, Canned(502, HTML, PAGE)),
    refused("503 without Retry-After", Ambiguous, Canned(503, NONE, "")),
    refused("504 page of a gateway, not processed", Ambiguous, Canned(504, HTML, PAGE)),
    refused("408 without a body, not processed", Ambiguous, Canned(408, NONE, "")),
    refused("500 server_error", Ambiguous, Canned(500, JSON, r#"{"error":"server_error"}"#)),
    refused("500 that says invalid_grant", Ambiguous, Canned(500, JSON, r#"{"error":"invalid_grant"}"#)),
    refused("400 temporarily_unavailable", Ambiguous, Canned(400, JSON, r#"{"error":"temporarily_unavailable"}"#)),
    refused("200 with server_error", Ambiguous, Canned(200, JSON, r#"{"error":"server_error"}"#)),
    refused("closed before it was processed", Ambiguous, Closed),
    refused("reset before it was processed", Ambiguous, Reset),
    // It may have happened, and did.
    done("409 without a body, processed", Ambiguous, Canned(409, NONE, "")),
    done("500 without a body, processed", Ambiguous, Canned(500, NONE, "")),
    done("502 page of a gateway, processed", Ambiguous, Canned(502, HTML, PAGE)),
    done("504 page of a gateway, processed", Ambiguous, Canned(504, HTML, PAGE)),
    done("520 without a body, processed", Ambiguous, Canned(520, NONE, "")),
    done("500 around good tokens", Ambiguous, Status(500)),
    done("server_error beside good tokens", Ambiguous, Members(&[("error", Some(r#""server_error""#))])),
    done("closed after it was processed", Ambiguous, Closed),
    done("reset after it was processed", Ambiguous, Reset),
    done("broken off in the middle", Ambiguous, Truncated),
    // Answers that are none; not processed.
    refused("200 page of a portal, not processed", Garbage, Canned(200, HTML, PAGE)),
    refused("200 page said to be JSON", Garbage, Canned(200, JSON, PAGE)),
    refused("200 with an empty object", Garbage, Canned(200, JSON, "{}")),
    refused("200 with null", Garbage, Canned(200, JSON, "null")),
    refused("200 with a number", Garbage, Canned(200, JSON, "42")),
    refused("200 with a string", Garbage, Canned(200, JSON, r#""ok""#)),
    refused("200 with an empty array", Garbage, Canned(200, JSON, "[]")),
    refused("200 with single quotes", Garbage, Canned(200, JSON, "{'access_token': 'none'}")),
    refused("200 with a form without a token", Garbage, Canned(200, FORM, "token_type=bearer&scope=")),
    // Answers that are none; processed.
    done("200 without a body", Garbage, Canned(200, NONE, "")),
    done("204", Garbage, Canned(204, NONE, "")),
    done("200 page of a portal, processed", Garbage, Canned(200, HTML, PAGE)),
    done("half of the JSON as if it were all", Garbage, Half),
    done("JSON with something after it", Garbage, Wrapped(b"", b"}")),
    done("JSON said twice", Garbage, Wrapped(b"", b"{}")),
    done("JSON behind a guard", Garbage, Wrapped(b")]}',\n", b"")),
    done("JSON in an array", Garbage, Wrapped(b"[", b"]")),
    done("JSON in a callback", Garbage, Wrapped(b"callback(", b")")),
    done("bytes that are no text", Garbage, Wrapped(b"\xff\xfe", b"")),
    done("a body of 16 MiB", Garbage, Padded(16 << 20)),
    done("no access token", Garbage, Members(&[("access_token", None)])),
    done("access token a number", Garbage, Members(&[("access_token", Some("123456"))])),
    done("access token true", Garbage, Members(&[("access_token", Some("true"))])),
    done("access token null", Garbage, Members(&[("access_token", Some("null"))])),
    done("access token empty", Garbage, Members(&[("access_token", Some(r#""""#))])),
    done("access token an object", Garbage, Members(&[("access_token", Some(r#"{"value":"x"}"#))])),
    done("access token an array", Garbage, Members(&[("access_token", Some(r#"["x"]"#))])),
    // These cannot be sent in a header (RFC 6750 section 2.1).
    done("access token with spaces", Garbage, Members(&[("access_token", Some(r#""a b c""#))])),
    done("access token with a line break", Garbage, Members(&[("access_token", Some(r#""a\r\nx: y""#))])),
    done("access token not ASCII", Garbage, Members(&[("access_token", Some(r#""tökén""#))])),
    done("a string that does not end", Garbage, Members(&[("note", Some(r#""open"#))])),
    done("a number that no parser holds", Garbage, Members(&[("expires_in", Some("1e999"))])),
    // Good tokens with something odd beside them.
    done("expires_in as text", Success, Members(&[("expires_in", Some(r#""3600""#))])),
    done("expires_in in words", Success, Members(&[("expires_in", Some(r#""an hour""#))])),
    done("expires_in negative", Success, Members(&[("expires_in", Some("-1"))])),
    done("expires_in zero", Success, Members(&[("expires_in", Some("0"))])),
    done("expires_in huge", Success, Members(&[("expires_in", Some("99999999999999999999"))])),
    done("expires_in a fraction", Success, Members(&[("expires_in", Some("3599.5"))])),
    done("expires_in null", Success, Members(&[("expires_in", Some("null"))])),
    done("expires_in an object", Success, Members(&[("expires_in", Some("{}"))])),
    done("no expires_in", Success, Members(&[("expires_in", None)])),
    done("no token_type", Success, Members(&[("token_type", None)])),
    done("token_type a number", Success, Members(&[("token_type", Some("1"))])),
    done("token_type in capitals", Success, Members(&[("token_type", Some(r#""BEARER""#))])),
    done("scope null", Success, Members(&[("scope", Some("null"))])),
    done("scope a number", Success, Members(&[("scope", Some("7"))])),
    done("scope an array", Success, Members(&[("scope", Some(r#"["calendar"]"#))])),
    done("error null beside tokens", Success, Members(&[("error", Some("null"))])),
    done("a member nobody knows", Success, Members(&[("x_internal", Some(r#"{"deep":[[[[1]]]]}"#))])),
    // Providers do send JSON as this or that; the tokens are there.
    done("JSON said to be HTML", Success, WithHeaders(HTML)),
    done("JSON said to be plain text", Success, WithHeaders(TEXT)),
    done("JSON without a content type", Success, WithHeaders(&[("content-type", "")])),
    done("JSON after a byte order mark", Success, Wrapped("\u{feff}".as_bytes(), b"")),
    done("slowly, byte by byte", Success, Dripping(2)),
    done("no refresh token", SuccessKeepingRefreshToken, Members(&[("refresh_token", None)])),
    done("refresh token null", SuccessKeepingRefreshToken, Members(&[("refresh_token", Some("null"))])),
    done("refresh token empty", SuccessKeepingRefreshToken, Members(&[("refresh_token", Some(r#""""#))])),
    done("refresh token a number", SuccessKeepingRefreshToken, Members(&[("refresh_token", Some("123456"))])),
    done("refresh token an object", SuccessKeepingRefreshToken, Members(&[("refresh_token", Some("{}"))])),
    done("refresh token with spaces", SuccessKeepingRefreshToken, Members(&[("refresh_token", Some(r#""a b""#))])),
    done("ID token that is none", SuccessWithoutIdentity, Members(&[("id_token", Some(r#""not a JWT""#))])),
    done("ID token a number", SuccessWithoutIdentity, Members(&[("id_token", Some("1"))])),
    // {"alg":"none"} and {"sub":"somebody-else"}
    done("ID token unsigned, of somebody else", SuccessWithoutIdentity, Members(&[("id_token", Some(r#""eyJhbGciOiJub25lIn0.eyJzdWIiOiJzb21lYm9keS1lbHNlIn0.""#))])),
];

const fn refused(name: &'static str, outcome: Outcome, shape: Shape) -> Misanswer {
    Misanswer {
        name,
        processed: false,
        outcome,
        shape,
    }
}

const fn done(name: &'static str, outcome: Outcome, shape: Shape) -> Misanswer {
    Misanswer {
        name,
        processed: true,
        outcome,
        shape,
    }
}
