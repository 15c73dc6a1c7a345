//! The clients' port behind TLS: the certificates are made by the test, the handshake is the programs' own.

use octroi_end_to_end::{Ended, Network};
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::path::Path;

/// An authority of this test.
struct Authority(CertifiedKey);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key_pair = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key_pair).expect("signed");
        Self(CertifiedKey { cert, key_pair })
    }

    /// Writes a certificate for a name and its key as `NAME.pem` and `NAME.key`.
    fn issue(&self, folder: &Path, file: &str, names: &[&str], purpose: ExtendedKeyUsagePurpose) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0.cert, &self.0.key_pair).expect("signed");
        std::fs::write(folder.join(format!("{file}.pem")), certificate.pem()).expect("written");
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).expect("written");
    }

    fn write(&self, folder: &Path, file: &str) {
        std::fs::write(folder.join(format!("{file}.pem")), self.0.cert.pem()).expect("written");
    }
}

/// `octroi` at an address with these files for TLS; paths are relative to the network's folder.
fn at(network: &Network, endpoint: &str, tls: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let files: Vec<String> = tls.iter().map(|(_, file)| network.path().join(file).display().to_string()).collect();
    let mut all = vec!["--output", "json", "--endpoint", endpoint];
    for ((flag, _), file) in tls.iter().zip(&files) {
        all.extend([*flag, file.as_str()]);
    }
    network.octroi(&[&all, arguments].concat())
}

#[track_caller]
fn assert_no_way_in(ended: &Ended) {
    assert_eq!(ended.code, Some(7), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.error()["reason"], "UNREACHABLE", "{}", ended.stdout);
}

#[test]
fn tls_shows_who_the_node_is_and_mutual_tls_who_the_client_is() {
    let mut network = Network::new(0);
    let folder = network.path();
    let (ours, theirs) = (Authority::new("operators (invented)"), Authority::new("strangers (invented)"));
    ours.write(&folder, "ca");
    theirs.write(&folder, "strangers");
    ours.issue(&folder, "node", &["127.0.0.1", "localhost"], ExtendedKeyUsagePurpose::ServerAuth);
    ours.issue(&folder, "client", &["client.example"], ExtendedKeyUsagePurpose::ClientAuth);
    theirs.issue(&folder, "stranger", &["stranger.example"], ExtendedKeyUsagePurpose::ClientAuth);
    for (name, file) in [("tls_certificate", "node.pem"), ("tls_key", "node.key")] {
        network.set(0..2, &format!("grpc.{name}={}", folder.join(file).display()));
    }
    network.set(1..2, &format!("grpc.tls_client_ca={}", folder.join("ca.pem").display()));
    for node in 0..4 {
        network.start(node);
    }
    for node in 2..4 {
        network.wait_ready_one(node, std::time::Duration::from_secs(60));
    }
    let (plain, tls, mutual) =
        (network.endpoint(0), format!("https://{}", network.grpc(0)), format!("https://{}", network.grpc(1)));

    // TLS: known by our authority, and by no other; in clear there is no way in.
    let status = at(&network, &tls, &[("--tls-ca", "ca.pem")], &["status"]).data();
    assert_eq!(status["ready"], true, "{status}");
    let wrong = at(&network, &tls, &[("--tls-ca", "strangers.pem")], &["status"]);
    assert_no_way_in(&wrong);
    assert!(wrong.stdout.contains("certificate"), "why is not said: {}", wrong.stdout);
    assert_no_way_in(&at(&network, &plain, &[], &["status"]));

    // Mutual TLS: a client shows a certificate of ours, or stays outside.
    let client = [("--tls-ca", "ca.pem"), ("--tls-cert", "client.pem"), ("--tls-key", "client.key")];
    let promise =
        ["--as", "foundation.giving", "promise", "--fund", "commun", "--amount", "5 EUR", "--due", "2099-03-31"];
    let promised = at(&network, &mutual, &client, &promise).data();
    assert_eq!(promised["state"], "applied", "{promised}");
    assert_no_way_in(&at(&network, &mutual, &[("--tls-ca", "ca.pem")], &["status"]));
    let stranger = [("--tls-ca", "ca.pem"), ("--tls-cert", "stranger.pem"), ("--tls-key", "stranger.key")];
    assert_no_way_in(&at(&network, &mutual, &stranger, &["status"]));
    let half = at(&network, &mutual, &client[..2], &["status"]);
    assert_eq!((half.code, half.error()["reason"].as_str()), (Some(3), Some("CONFIG")), "{}", half.stdout);
}
