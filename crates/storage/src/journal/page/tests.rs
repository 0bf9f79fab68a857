use proptest::prelude::*;
use tokend_keyring::generate_key_line;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn keyring() -> Result<Keyring, Box<dyn std::error::Error>> {
    let (_, line) = generate_key_line()?;
    Ok(Keyring::parse(line.expose())?)
}

fn claim() -> Result<Claim, Box<dyn std::error::Error>> {
    Ok(Claim {
        workspace: WorkspaceName::default_workspace(),
        connection_id: ConnectionId::new("conn_1")?,
        epoch: 7,
        base: Generation(3),
    })
}

fn answer(content_type: Option<&str>, body: &[u8]) -> RawTokenAnswer {
    RawTokenAnswer {
        status: 200,
        content_type: content_type.map(str::to_owned),
        body: Zeroizing::new(body.to_vec()),
        receive_time: Timestamp::UNIX_EPOCH + std::time::Duration::from_micros(1_234_567),
    }
}

fn page(keyring: &Keyring, claim: &Claim, answer: &RawTokenAnswer) -> Result<Vec<u8>, SealError> {
    let mut page = header(claim);
    page.extend(record(keyring, claim, answer)?);
    page.extend([0; 100]);
    Ok(page)
}

#[test]
fn an_answer_is_read_as_it_was_recorded() -> Outcome {
    let (keyring, claim) = (keyring()?, claim()?);
    for content_type in [None, Some(""), Some("application/json; charset=utf-8")] {
        for body in [b"".as_slice(), b"\0\xff\n", &[b'x'; 40_000]] {
            let answer = answer(content_type, body);
            let page = page(&keyring, &claim, &answer)?;
            let PageContent::Recorded {
                claim: read_claim,
                sealed,
            } = read(&page)
            else {
                return Err("it is recorded".into());
            };
            assert_eq!(read_claim, claim);
            assert_eq!(open(&keyring, &claim, sealed)?, answer);
        }
    }
    Ok(())
}

#[test]
fn an_answer_opens_for_its_own_attempt_only() -> Outcome {
    let (keyring, claim) = (keyring()?, claim()?);
    let whole = record(&keyring, &claim, &answer(None, b"body"))?;
    let others = [
        Claim {
            epoch: 8,
            ..claim.clone()
        },
        Claim {
            base: Generation(4),
            ..claim.clone()
        },
        Claim {
            connection_id: ConnectionId::new("conn_2")?,
            ..claim.clone()
        },
        Claim {
            workspace: WorkspaceName::new("stranger")?,
            ..claim
        },
    ];
    for other in others {
        let page = [header(&other), whole.clone()].concat();
        let PageContent::Recorded { claim, sealed } = read(&page) else {
            return Err("it is recorded".into());
        };
        assert_eq!(claim, other);
        assert!(open(&keyring, &claim, sealed).is_err(), "{other:?}");
    }
    Ok(())
}

#[test]
fn a_page_cut_short_is_not_taken_for_a_whole_one() -> Outcome {
    let (keyring, claim) = (keyring()?, claim()?);
    let begin = header(&claim);
    let record = record(&keyring, &claim, &answer(None, b"body"))?;
    let mut blank = begin.clone();
    blank.extend([0; 16]);
    assert_eq!(read(&begin), PageContent::Blank);
    assert_eq!(read(&blank), PageContent::Blank);
    assert_eq!(read(&[]), PageContent::Blank);
    assert_eq!(read(&[0; 64]), PageContent::Blank);
    for written in 1..record.len() {
        // What was not written yet is the zeros that were there before.
        let mut page = begin.clone();
        page.extend(&record[..written]);
        page.resize(begin.len() + record.len(), 0);
        if page[begin.len()..].iter().all(|&byte| byte == 0) {
            continue;
        }
        let PageContent::Recorded { sealed, .. } = read(&page) else {
            return Err(format!("{written} bytes are something").into());
        };
        // The last byte may be a zero by chance.
        if page[begin.len()..] != record {
            assert!(open(&keyring, &claim, sealed).is_err(), "{written}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_bytes_after_a_header_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let claim = claim().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let page = [header(&claim), bytes.clone()].concat();
        prop_assert_ne!(read(&page), PageContent::Foreign);
        let _ = read_plain(&claim, &bytes);
        let after_epoch = [claim.epoch.to_le_bytes().as_slice(), &bytes].concat();
        let _ = read_plain(&claim, &after_epoch);
    }

    #[test]
    fn a_header_with_any_lines_is_read_without_panic(
        lines in prop::collection::vec("[a-z0-9_\\-é]{0,20}", 0..7),
    ) {
        let _ = read(format!("{FORMAT}\n{}", lines.join("\n")).as_bytes());
    }

    #[test]
    fn a_changed_page_never_opens(position in any::<prop::sample::Index>(), change in 1..=255_u8) {
        let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        let keyring = keyring().map_err(|error| failed(&error))?;
        let claim = claim().map_err(|error| failed(&error))?;
        let mut page = header(&claim);
        page.extend(record(&keyring, &claim, &answer(None, b"body")).map_err(|error| failed(&error))?);
        let position = position.index(page.len());
        page[position] ^= change;
        if let PageContent::Recorded { claim, sealed } = read(&page) {
            prop_assert!(open(&keyring, &claim, sealed).is_err());
        }
    }
}
