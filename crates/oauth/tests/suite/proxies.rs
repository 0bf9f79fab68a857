//! Calls through an HTTP proxy that opens TLS with a certificate authority of its own.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokend_catalog::Catalogue;
use tokend_model::TokenFailureKind;
use tokend_oauth::{HttpClientUnavailable, OAuthClient, OAuthOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::fake::{Bench, CODE, FixedClock, Outcome, secret};

const PROVIDER: &str = "provider.example.com";

/// A proxy that answers in the provider's place, or refuses the tunnel.
struct Proxy {
    url: String,
    tunnels: Arc<AtomicUsize>,
    ca: tempfile::NamedTempFile,
}

async fn proxy(refuses: bool) -> Result<Proxy, Box<dyn std::error::Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![PROVIDER.to_owned()])?
        .signed_by(&key, &Issuer::new(ca, ca_key))?;
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(ca_certificate.pem().as_bytes())?;
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let tunnels = Arc::new(AtomicUsize::new(0));
    let count = tunnels.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move { serve(socket, acceptor, refuses).await });
        }
    });
    Ok(Proxy {
        url,
        tunnels,
        ca: file,
    })
}

async fn serve(mut socket: TcpStream, acceptor: TlsAcceptor, refuses: bool) -> std::io::Result<()> {
    let mut head = vec![0; 4096];
    let length = socket.read(&mut head).await?;
    let expected = format!("CONNECT {PROVIDER}:443 HTTP/1.1\r\n");
    if refuses || !head[..length].starts_with(expected.as_bytes()) {
        return socket.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut inside = acceptor.accept(socket).await?;
    let _ = inside.read(&mut head).await?;
    let body = r#"{"access_token":"t"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    inside.write_all(answer.as_bytes()).await?;
    inside.shutdown().await
}

fn through(proxy: &Proxy) -> Result<OAuthOptions, Box<dyn std::error::Error>> {
    Ok(OAuthOptions {
        proxy_url: Some(proxy.url.parse()?),
        ca_file: Some(proxy.ca.path().to_owned()),
        ..OAuthOptions::default()
    })
}

fn bench(origin: &str, options: &OAuthOptions) -> Result<Bench, Box<dyn std::error::Error>> {
    Bench::defined_with(origin, CODE, options, Arc::new(FixedClock))
}

#[tokio::test]
async fn calls_go_through_the_proxy_and_trust_its_authority() -> Outcome {
    let proxy = proxy(false).await?;
    let origin = format!("https://{PROVIDER}");
    let bench = bench(&origin, &through(&proxy)?)?;
    assert_eq!(
        bench.refresh(&secret(), &[]).await?.access_token.expose(),
        "t"
    );
    assert_eq!(proxy.tunnels.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn an_authority_that_is_not_told_is_not_trusted() -> Outcome {
    let proxy = proxy(false).await?;
    let options = OAuthOptions {
        ca_file: None,
        ..through(&proxy)?
    };
    let refreshed = bench(&format!("https://{PROVIDER}"), &options)?
        .refresh(&secret(), &[])
        .await;
    assert_eq!(
        refreshed.err().map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    assert_eq!(proxy.tunnels.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn a_tunnel_that_is_refused_has_carried_nothing() -> Outcome {
    let refusing = proxy(true).await?;
    let origin = format!("https://{PROVIDER}");
    let refreshed = bench(&origin, &through(&refusing)?)?
        .refresh(&secret(), &[])
        .await;
    assert_eq!(
        refreshed.err().map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    let nobody = OAuthOptions {
        proxy_url: Some("http://127.0.0.1:1".parse()?),
        ..OAuthOptions::default()
    };
    let refreshed = bench(&origin, &nobody)?.refresh(&secret(), &[]).await;
    assert_eq!(
        refreshed.err().map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    Ok(())
}

#[tokio::test]
async fn addresses_inside_are_refused_before_the_proxy_is_asked() -> Outcome {
    let proxy = proxy(false).await?;
    for origin in [
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[::ffff:127.0.0.1]",
        "https://127.0.0.1",
    ] {
        let refreshed = bench(origin, &through(&proxy)?)?
            .refresh(&secret(), &[])
            .await;
        let failure = refreshed.err().ok_or("it was sent")?;
        assert_eq!(failure.kind, TokenFailureKind::NotSent, "{origin}");
    }
    assert_eq!(proxy.tunnels.load(Ordering::SeqCst), 0);
    Ok(())
}

#[test]
fn a_file_without_authorities_is_named() -> Outcome {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut empty = tempfile::NamedTempFile::new()?;
    empty.write_all(b"nothing")?;
    for path in [empty.path().to_owned(), "/nonexistent/ca.pem".into()] {
        let options = OAuthOptions {
            ca_file: Some(path.clone()),
            ..OAuthOptions::default()
        };
        let catalogue = Arc::new(Catalogue::embedded()?);
        match OAuthClient::new(&options, catalogue, Arc::new(FixedClock)) {
            Err(error @ HttpClientUnavailable::CaFile { .. }) => {
                let told = error.to_string();
                assert!(
                    told.contains("oauth.ca_file") && told.contains(&*path.to_string_lossy()),
                    "{told}"
                );
            }
            _ => return Err("it was taken".into()),
        }
    }
    Ok(())
}
