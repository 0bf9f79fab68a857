//! Callers that are pods: whose token it is, and with what the API server is asked for its keys.

use serde_json::{Value, json};
use tokend_access::{
    CallerKind, CallerRejection, KeySetOptions, KubernetesOptions, OtherWorkspaces, TokenCallers,
};
use tokend_model::{WorkspaceName, ports::CallerRole};

use crate::{
    callers::{Callers, standing},
    clock::StandingClock,
    cluster::{ACCOUNT, Cluster},
    signing_key::SigningKey,
};

/// Over the floor between two fetches, and over the age at which keys are fetched anew.
const LATER: i64 = 601;

#[tokio::test]
async fn a_pod_is_its_service_account() {
    let key = SigningKey::rsa("k1", jsonwebtoken::Algorithm::RS256);
    let cluster = Cluster::start(&[&key]).await;
    let callers = Callers::new(vec![], vec![cluster.options(false)]);
    let caller = callers.authenticate(&key.sign(&cluster.claims())).await;
    let caller = caller.unwrap();
    assert_eq!(caller.name, ACCOUNT);
    assert_eq!(caller.workspace, WorkspaceName::default_workspace());
    assert_eq!(caller.other_workspaces, OtherWorkspaces::None);
    assert_eq!(caller.role, Some(CallerRole::Backend));
    let CallerKind::Kubernetes {
        namespace,
        service_account,
        pod,
        ..
    } = &caller.kind
    else {
        panic!("{:?}", caller.kind);
    };
    let pod = pod.as_deref().unwrap();
    assert_eq!(
        [namespace, service_account, pod],
        ["shop", "backend", "backend-0"]
    );

    // Tokens that somebody asked for by hand are bound to no pod.
    let mut claims = cluster.claims();
    claims["kubernetes.io"]
        .as_object_mut()
        .unwrap()
        .remove("pod");
    let unbound = callers.authenticate(&key.sign(&claims)).await.unwrap();
    assert_eq!(unbound.name, ACCOUNT);
    assert_eq!(cluster.reviews(), 0);
}

#[tokio::test]
async fn sub_and_the_account_of_the_claims_must_be_the_same() {
    let key = SigningKey::es256("k1");
    let cluster = Cluster::start(&[&key]).await;
    let callers = Callers::new(vec![], vec![cluster.options(false)]);
    let mut refused = 0;
    for (claim, value) in [
        ("sub", json!("system:serviceaccount:shop:other")),
        ("sub", json!("system:serviceaccount:other:backend")),
        ("sub", json!("system:serviceaccount:shop:backend ")),
        ("sub", json!("backend")),
        ("kubernetes.io", json!(null)),
        ("kubernetes.io", json!("shop")),
        ("kubernetes.io", json!({})),
        ("kubernetes.io", account(json!("shop"), json!("other"))),
        ("kubernetes.io", account(json!("other"), json!("backend"))),
        ("kubernetes.io", account(json!("shop:backend"), json!(""))),
        ("kubernetes.io", account(json!(["shop"]), json!("backend"))),
        ("kubernetes.io", json!({ "namespace": "shop" })),
        (
            "kubernetes.io",
            json!({ "namespace": "shop", "serviceaccount": "backend" }),
        ),
    ] {
        let mut claims = cluster.claims();
        claims[claim] = value.clone();
        let answer = callers.authenticate(&key.sign(&claims)).await;
        assert_eq!(
            answer,
            Err(CallerRejection::TokenRefused),
            "{claim} {value}"
        );
        refused += 1;
    }
    // Agreeing does not help where it is no account's name.
    let mut claims = cluster.claims();
    claims["sub"] = json!("system:serviceaccount:a:b:c");
    claims["kubernetes.io"] = account(json!("a:b"), json!("c"));
    let answer = callers.authenticate(&key.sign(&claims)).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused));
    println!("pods: {} disagreeing tokens, 0 accepted", refused + 1);
}

fn account(namespace: Value, name: Value) -> Value {
    json!({ "namespace": namespace, "serviceaccount": { "name": name, "uid": "9f12" } })
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let key = SigningKey::es256("k1");
    let cluster = Cluster::start(&[&key]).await;
    for token_review in [false, true] {
        let options = cluster.options(token_review);
        let issuer = options.issuer.clone();
        let callers = Callers::new(vec![], vec![options]);
        // The API server's own, as every pod has one mounted, and another service's.
        for audience in [issuer.as_str(), "https://kubernetes.default.svc", "vault"] {
            let mut claims = cluster.claims();
            claims["aud"] = json!([audience]);
            let answer = callers.authenticate(&key.sign(&claims)).await;
            assert_eq!(answer, Err(CallerRejection::TokenRefused), "{audience}");
        }
    }
}

#[tokio::test]
async fn our_own_token_is_read_anew_when_it_is_used() {
    let key = SigningKey::es256("k1");
    let cluster = Cluster::start(&[&key]).await;
    let callers = Callers::new(vec![], vec![cluster.options(false)]);
    let token = key.sign(&cluster.claims());
    std::fs::remove_file(cluster.options(false).token_file).unwrap();
    let answer = callers.authenticate(&token).await;
    assert_eq!(answer, Err(CallerRejection::Unavailable));
    assert_eq!(cluster.fetches(), 1, "asked without a token");

    cluster.rotate_own_token("own-token-2");
    callers.clock.advance(LATER);
    assert_eq!(callers.authenticate(&token).await.unwrap().name, ACCOUNT);
    assert_eq!(cluster.fetches(), 2);
}

#[tokio::test]
async fn only_the_clusters_own_authority_is_trusted() {
    let key = SigningKey::es256("k1");
    let (cluster, other) = (Cluster::start(&[&key]).await, Cluster::start(&[&key]).await);
    for ca_file in [
        other.options(false).ca_file,
        // None, so those of the system.
        "/does/not/exist".into(),
        "".into(),
    ] {
        let options = KubernetesOptions {
            ca_file,
            ..cluster.options(false)
        };
        let callers = Callers::new(vec![], vec![options]);
        let answer = callers.authenticate(&key.sign(&cluster.claims())).await;
        assert_eq!(answer, Err(CallerRejection::Unavailable));
    }
    assert_eq!(cluster.fetches(), 0);

    // A cluster's authority that comes later, or is exchanged, is noticed.
    let ca_file = other.options(false).ca_file;
    let options = KubernetesOptions {
        ca_file: ca_file.clone(),
        ..cluster.options(false)
    };
    let callers = Callers::new(vec![], vec![options]);
    let token = key.sign(&cluster.claims());
    assert!(callers.authenticate(&token).await.is_err());
    std::fs::copy(cluster.options(false).ca_file, ca_file).unwrap();
    callers.clock.advance(LATER);
    assert!(callers.authenticate(&token).await.is_ok());
}

#[tokio::test]
async fn keys_outlive_the_api_server() {
    let key = SigningKey::es256("k1");
    let cluster = Cluster::start(&[&key]).await;
    let callers = Callers::new(vec![], vec![cluster.options(false)]);
    let token = key.sign(&cluster.claims());
    assert!(callers.authenticate(&token).await.is_ok());
    // From here on our own token is not accepted any more.
    let own = cluster.options(false).token_file;
    std::fs::write(own, "expired").unwrap();
    let new = SigningKey::es256("new");
    for _ in 0..3 {
        callers.clock.advance(LATER);
        let mut claims = cluster.claims();
        claims["exp"] = json!(callers.clock.seconds() + 600);
        assert!(callers.authenticate(&key.sign(&claims)).await.is_ok());
        let answer = callers.authenticate(&new.sign(&claims)).await;
        assert_eq!(answer, Err(CallerRejection::Unavailable));
    }
}

#[tokio::test]
async fn clusters_with_the_same_issuer_are_told_apart_by_their_keys() {
    let (one, other) = (SigningKey::es256("k1"), SigningKey::es256("k2"));
    let (east, west) = (
        Cluster::start(&[&one]).await,
        Cluster::start(&[&other]).await,
    );
    let named = |cluster: &Cluster, prefix: &str, workspace: &str| KubernetesOptions {
        name_prefix: prefix.to_owned(),
        standing: standing(&[workspace], ""),
        ..cluster.options(false)
    };
    let callers = Callers::new(
        vec![],
        vec![named(&east, "east/", "east"), named(&west, "west/", "west")],
    );
    for (key, place) in [(&one, "east"), (&other, "west")] {
        let caller = callers
            .authenticate(&key.sign(&east.claims()))
            .await
            .unwrap();
        assert_eq!(caller.name, format!("{place}/{ACCOUNT}"));
        assert_eq!(caller.workspace.as_str(), place);
        assert_eq!(caller.role, None);
        // The same caller, but for the pod, is found by the name.
        let found = callers.callers.named(&caller.name).unwrap();
        assert_eq!(
            (&found.name, &found.workspace, found.kind.name()),
            (&caller.name, &caller.workspace, "kubernetes")
        );
    }
    for nobody in [ACCOUNT, "east/system:serviceaccount:x", "east/", "south/x"] {
        assert!(callers.callers.named(nobody).is_none(), "{nobody}");
    }
    // While one cluster is away it cannot be said that a token is nobody's.
    std::fs::write(east.options(false).token_file, "expired").unwrap();
    let callers = Callers::new(
        vec![],
        vec![named(&east, "east/", "east"), named(&west, "west/", "west")],
    );
    let answer = callers.authenticate(&one.sign(&east.claims())).await;
    assert_eq!(answer, Err(CallerRejection::Unavailable));
    let answer = callers.authenticate(&other.sign(&east.claims())).await;
    assert_eq!(answer.unwrap().name, format!("west/{ACCOUNT}"));
}

#[tokio::test]
async fn what_cannot_be_kept_apart_or_asked_is_refused_at_the_start() {
    let cluster = Cluster::start(&[]).await;
    let good = cluster.options(true);
    let refused = |clusters: Vec<KubernetesOptions>| {
        let clock = std::sync::Arc::new(StandingClock::new());
        TokenCallers::new(vec![], clusters, clock, KeySetOptions::default()).is_err()
    };
    assert!(!refused(vec![good.clone()]));
    assert!(refused(vec![good.clone(), good.clone()]), "one name prefix");
    for bad in [
        KubernetesOptions {
            api_server: None,
            ..good.clone()
        },
        KubernetesOptions {
            api_server: Some("http://10.0.0.1".to_owned()),
            ..good.clone()
        },
        KubernetesOptions {
            audiences: vec![],
            ..good.clone()
        },
        KubernetesOptions {
            name_prefix: "spiffe://acme.test/".to_owned(),
            ..good.clone()
        },
        KubernetesOptions {
            name_prefix: "system:".to_owned(),
            ..good.clone()
        },
    ] {
        assert!(refused(vec![bad.clone()]), "{bad:?}");
    }
}
