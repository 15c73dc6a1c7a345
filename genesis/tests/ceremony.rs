//! The ceremony on the draft of the development network.

use octroi_genesis::{DEVNET, JoinRequest, collect, missing_keys, parse, seal};
use octroi_primitives::SecretKey;

/// Keys for every office and validator of the draft, from a counter.
fn joined() -> String {
    let mut seed = 0u64;
    let mut secret = || {
        seed += 1;
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        SecretKey::from_seed(bytes)
    };
    let mut requests: Vec<JoinRequest> = Vec::new();
    for line in missing_keys(DEVNET).unwrap() {
        let organisation = line.split(", ").next().unwrap().strip_prefix("organisation ").unwrap().to_owned();
        if requests.last().is_none_or(|request| request.organisation != organisation) {
            requests.push(JoinRequest::new("octroi-devnet", &organisation));
        }
        let request = requests.last_mut().unwrap();
        match line.split(", office ").nth(1) {
            Some(office) => request.office(office, &secret()),
            None => request.validator(&secret(), &secret()),
        };
    }
    let sent: Vec<JoinRequest> = requests.iter().map(|request| JoinRequest::read(&request.write()).unwrap()).collect();
    collect(DEVNET, &sent).unwrap()
}

#[test]
fn the_draft_lacks_keys_and_says_which() {
    let missing = missing_keys(DEVNET).unwrap();
    assert!(missing.contains(&"organisation public-bank, office registry".to_owned()), "{missing:?}");
    assert!(missing.contains(&"organisation federation, validator".to_owned()), "{missing:?}");
    assert!(parse(DEVNET).unwrap_err().to_string().contains("collect the organisation's join request"));
}

#[test]
fn a_collected_draft_is_a_valid_genesis_with_four_validators() {
    let genesis = parse(&joined()).unwrap();
    let state = genesis.state().unwrap();
    assert_eq!(state.validators().len(), 4);
    assert_eq!((genesis.bank_accounts.len(), genesis.schedules.len(), genesis.policies.len()), (1, 2, 1));
}

#[test]
fn a_share_that_is_missing_and_a_schedule_with_a_gap_are_refused_by_name() {
    let refused = |from: &str, to: &str| {
        let changed = joined().replacen(from, to, 1);
        assert_ne!(changed, joined());
        parse(&changed).and_then(|genesis| Ok(genesis.state()?)).unwrap_err().to_string()
    };
    assert!(refused("commons = 350000", "commons = 350001").contains("policies.policy-2027"));
    assert!(refused("version = 1\nvalid_from", "version = 2\nvalid_from").contains("schedules.platform-levy"));
    assert!(refused("needed = 2", "needed = 3").contains("bank_accounts."));
    assert!(refused("den = 1000", "denominator = 1000").contains("denominator"));
}

#[test]
fn a_sealed_file_that_was_changed_is_refused() {
    let sealed = seal(&joined()).unwrap();
    assert_eq!(parse(&sealed).unwrap().network(), parse(&joined()).unwrap().network());
    let changed = sealed.replace("heartbeat_ms = 60000", "heartbeat_ms = 60001");
    assert_ne!(changed, sealed);
    assert!(parse(&changed).unwrap_err().to_string().contains("changed after sealing"));
}

#[test]
fn a_request_for_another_network_is_refused() {
    let request = JoinRequest::new("elsewhere", "region");
    assert!(collect(DEVNET, &[request]).unwrap_err().to_string().contains("elsewhere"));
}

#[test]
fn an_unknown_field_is_named() {
    let error = parse(&DEVNET.replace("heartbeat_ms", "heartbeat_secs")).unwrap_err().to_string();
    assert!(error.contains("collect") || error.contains("heartbeat_secs"), "{error}");
    let error = parse(&DEVNET.replace("kind = \"dev\"", "sort = \"dev\"")).unwrap_err().to_string();
    assert!(error.contains("sort"), "{error}");
}
