//! Sealed values open in their own place with their own key, and nowhere else, whatever is done to them.

use proptest::prelude::*;

use crate::{Keyring, OpenError, SealContext, generate_key_line, key_id_of};

const PLACE: SealContext<'static> = SealContext {
    column: "credentials.access_token",
    workspace: "default",
    row_id: "conn_1",
    generation: 1,
};

fn line() -> String {
    generate_key_line().unwrap().1.expose().to_owned()
}

fn keyring() -> Keyring {
    Keyring::parse(&line()).unwrap()
}

#[test]
fn no_place_opens_what_was_sealed_for_another() {
    let keyring = keyring();
    let columns = [
        "credentials.access_token",
        "credentials.refresh_token",
        "a",
        "ab",
    ];
    let mut places = Vec::new();
    for column in columns {
        for workspace in ["default", "b", "bc"] {
            for row_id in ["conn_1", "cd", "d"] {
                for generation in [0, 1, 256] {
                    places.push(SealContext {
                        column,
                        workspace,
                        row_id,
                        generation,
                    });
                }
            }
        }
    }
    for sealed_for in &places {
        let sealed = keyring.seal(sealed_for, b"value").unwrap();
        for opened_as in &places {
            let opened = keyring.open(opened_as, &sealed);
            if sealed_for == opened_as {
                assert_eq!(opened.unwrap().as_slice(), b"value");
            } else {
                assert_eq!(opened.unwrap_err(), OpenError::NotAuthentic);
            }
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let keyring = keyring();
    let sealed = keyring.seal(&PLACE, b"value").unwrap();
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut flipped = sealed.clone();
            flipped[index] ^= 1 << bit;
            assert!(keyring.open(&PLACE, &flipped).is_err(), "{index} {bit}");
        }
        assert!(keyring.open(&PLACE, &sealed[..index]).is_err(), "{index}");
    }
    let mut longer = sealed;
    longer.push(0);
    assert!(keyring.open(&PLACE, &longer).is_err());
}

#[test]
fn older_keys_open_and_foreign_ones_do_not() {
    let (old, new) = (line(), line());
    let before = Keyring::parse(&old).unwrap();
    let after = Keyring::parse(&format!("{new}\n{old}")).unwrap();
    let sealed = before.seal(&PLACE, b"value").unwrap();
    assert_eq!(key_id_of(&sealed), Some(before.primary_key_id()));
    assert_eq!(after.open(&PLACE, &sealed).unwrap().as_slice(), b"value");
    let newer = after.seal(&PLACE, b"value").unwrap();
    assert_eq!(key_id_of(&newer), Some(after.primary_key_id()));
    assert_eq!(
        before.open(&PLACE, &newer).unwrap_err(),
        OpenError::UnknownKey(after.primary_key_id().to_owned())
    );
}

#[test]
fn a_key_that_borrows_an_id_is_found_out_by_the_commitment() {
    let (ours, theirs) = (line(), line());
    let id = ours.split(':').nth(1).unwrap();
    let borrowed = format!("tokend-key-v1:{id}:{}", theirs.rsplit(':').next().unwrap());
    let sealed = Keyring::parse(&borrowed)
        .unwrap()
        .seal(&PLACE, b"value")
        .unwrap();
    let keyring = Keyring::parse(&ours).unwrap();
    assert_eq!(
        keyring.open(&PLACE, &sealed).unwrap_err(),
        OpenError::WrongKey
    );
}

#[test]
fn a_key_id_chosen_by_an_attacker_is_refused() {
    let (one, other) = (line(), line());
    let keyring = Keyring::parse(&format!("{one}\n{other}")).unwrap();
    let sealed = keyring.seal(&PLACE, b"value").unwrap();
    let id = other.split(':').nth(1).unwrap().as_bytes();
    let mut relabelled = sealed;
    relabelled[2..2 + id.len()].copy_from_slice(id);
    assert_eq!(
        keyring.open(&PLACE, &relabelled).unwrap_err(),
        OpenError::WrongKey
    );
}

#[test]
fn equal_secrets_look_different() {
    let keyring = keyring();
    let seal = || keyring.seal(&PLACE, b"value").unwrap();
    assert_ne!(seal(), seal());
}

proptest! {
    #[test]
    fn any_secret_comes_back(secret in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let keyring = keyring();
        let sealed = keyring.seal(&PLACE, &secret).unwrap();
        let opened = keyring.open(&PLACE, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), secret.as_slice());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), tail in any::<bool>()) {
        let keyring = keyring();
        let mut sealed = bytes;
        if tail {
            let id = keyring.primary_key_id().as_bytes();
            let mut head = vec![1, u8::try_from(id.len()).unwrap()];
            head.extend_from_slice(id);
            head.append(&mut sealed);
            sealed = head;
        }
        prop_assert!(keyring.open(&PLACE, &sealed).is_err());
        let _ = key_id_of(&sealed);
    }
}
