//! Certificates that hold, and all the ways in which they do not.

use super::*;
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A node's key, and a certificate's.
struct Keys {
    node: Ed25519KeyPair,
    own: CertificateKey,
}

fn keys() -> Keys {
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    Keys { node: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap(), own: CertificateKey::generate().unwrap() }
}

impl Keys {
    fn peer(&self) -> PeerId {
        PeerId::new(self.node.public_key().as_ref().try_into().unwrap())
    }

    fn signature(&self) -> Vec<u8> {
        self.node.sign(&self.own.statement()).as_ref().to_vec()
    }

    fn certificate(&self) -> Vec<u8> {
        self.own.build(self.peer(), &self.signature()).unwrap()
    }

    /// The certificate with something changed, signed anew.
    fn changed(&self, change: impl FnOnce(&mut Body)) -> Vec<u8> {
        let mut certificate = Certificate::from_der(&self.certificate()).unwrap();
        change(&mut certificate.body);
        self.sign(&mut certificate);
        certificate.to_der().unwrap()
    }

    fn sign(&self, certificate: &mut Certificate) {
        let random = ring::rand::SystemRandom::new();
        let signature = self.own.pair.sign(&random, &certificate.body.to_der().unwrap()).unwrap();
        certificate.signature = BitString::from_bytes(signature.as_ref()).unwrap();
    }
}

fn why_not(certificate: &[u8]) -> String {
    verify(certificate, now()).unwrap_err().message
}

fn time(seconds: u64) -> Time {
    Time::General(GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).unwrap())
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension { oid: oid.parse().unwrap(), critical, value: OctetString::new(value).unwrap() }
}

#[test]
fn ours_names_its_node() {
    let keys = keys();
    assert_eq!(verify(&keys.certificate(), now()).unwrap().peer, keys.peer());
    let (peer, signature) = (keys.peer(), keys.signature());
    let identity = keys.own.certify(peer, &signature).unwrap();
    assert_eq!(identity.peer(), peer);
    assert!(identity.certificate.len() < 512);
}

#[test]
fn nobody_is_certified_without_its_signature() {
    let (keys, other) = (keys(), keys());
    let signature = other.signature();
    let refused = keys.own.certify(other.peer(), &signature).err().unwrap();
    assert_eq!(refused.code, Code::Usage);
}

#[test]
fn every_bit_counts() {
    let certificate = keys().certificate();
    for bit in 0..certificate.len() * 8 {
        let mut changed = certificate.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&changed, now()).is_err(), "bit {bit}");
    }
}

#[test]
fn every_byte_is_needed_and_no_more() {
    let certificate = keys().certificate();
    for length in 0..certificate.len() {
        assert!(verify(&certificate[..length], now()).is_err(), "{length} bytes");
    }
    let longer = [&certificate[..], &[0]].concat();
    assert!(why_not(&longer).contains("malformed"));
    assert!(why_not(&vec![0x30; CERTIFICATE_BYTES_MAX + 1]).contains("too long"));
}

#[test]
fn validity() {
    let (keys, day) = (keys(), 86_400);
    let now = now().as_secs();
    let early = keys.changed(|body| body.validity.not_before = time(now + day));
    let late = keys.changed(|body| {
        body.validity.not_before = time(now - 2 * day);
        body.validity.not_after = time(now - day);
    });
    for certificate in [early, late] {
        assert!(why_not(&certificate).contains("not valid at this time"));
    }
}

#[test]
fn extensions() {
    let keys = keys();
    let libp2p = LIBP2P_EXTENSION.to_string();
    let twice = keys.changed(|body| {
        let value = body.extensions[0].value.as_bytes().to_vec();
        body.extensions.push(extension(&libp2p, true, &value));
    });
    assert!(why_not(&twice).contains("exactly one peer"));
    assert!(why_not(&keys.changed(|body| body.extensions.clear())).contains("exactly one peer"));
    let critical = keys.changed(|body| body.extensions.push(extension("1.2.3.4", true, b"a")));
    assert!(why_not(&critical).contains("critical extension"));
    let harmless = keys.changed(|body| body.extensions.push(extension("1.2.3.4", false, b"a")));
    assert_eq!(verify(&harmless, now()).unwrap().peer, keys.peer());
    let plain = keys.changed(|body| body.extensions[0].critical = false);
    assert_eq!(verify(&plain, now()).unwrap().peer, keys.peer());
    let garbage = keys.changed(|body| body.extensions = vec![extension(&libp2p, true, &[0x30, 0x80])]);
    assert!(why_not(&garbage).contains("names no peer"));
}

/// A libp2p extension of any parts.
fn naming(public_key: &[u8], signature: &[u8]) -> Vec<Extension> {
    let octets = |bytes: &[u8]| OctetString::new(bytes).unwrap();
    let signed = SignedKey { public_key: octets(public_key), signature: octets(signature) };
    vec![extension(&LIBP2P_EXTENSION.to_string(), true, &signed.to_der().unwrap())]
}

#[test]
fn the_named_peer_has_to_have_signed_this_key() {
    let (keys, other) = (keys(), keys());
    let public = [&KEY_PREFIX[..], keys.peer().key()].concat();
    let stolen = keys.changed(|body| body.extensions = naming(&public, &other.signature()));
    assert!(why_not(&stolen).contains("not signed by the peer"));
    // A certificate of somebody else's that is shown with another key.
    let borrowed = keys.changed(|body| body.extensions = naming(&public, &keys.node.sign(b"another key").as_ref()[..]));
    assert!(why_not(&borrowed).contains("not signed by the peer"));
    let short = keys.changed(|body| body.extensions = naming(&public[..35], &keys.signature()));
    assert!(why_not(&short).contains("another kind of key"));
    let rsa = [&[0x08, 0x00, 0x12, 0x20], &public[4..]].concat();
    let rsa = keys.changed(|body| body.extensions = naming(&rsa, &keys.signature()));
    assert!(why_not(&rsa).contains("another kind of key"));
}

#[test]
fn keys_and_algorithms() {
    let keys = keys();
    let rsa: ObjectIdentifier = "1.2.840.113549.1.1.11".parse().unwrap();
    let p384: ObjectIdentifier = "1.3.132.0.34".parse().unwrap();
    let other = keys.changed(|body| body.algorithm.oid = rsa);
    assert!(why_not(&other).contains("ECDSA"));
    let other = keys.changed(|body| body.key.algorithm.parameters = Some(Any::encode_from(&p384).unwrap()));
    assert!(why_not(&other).contains("P-256"));
    let other = keys.changed(|body| body.key.algorithm.parameters = None);
    assert!(why_not(&other).contains("P-256"));
    let other = keys.changed(|body| body.version = 1);
    assert!(verify(&other, now()).is_err());
    let foreign = keys.changed(|body| body.key.key = BitString::from_bytes(&[4; 65]).unwrap());
    assert!(why_not(&foreign).contains("own key"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(&bytes, now()).is_err());
    }

    #[test]
    fn nor_does_garbage_within_a_good_one(at in 0usize..400, bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
        let mut certificate = keys().certificate();
        let at = at.min(certificate.len() - 1);
        let end = certificate.len().min(at + bytes.len());
        let before = certificate.clone();
        certificate[at..end].copy_from_slice(&bytes[..end - at]);
        prop_assert!(certificate == before || verify(&certificate, now()).is_err());
    }
}
