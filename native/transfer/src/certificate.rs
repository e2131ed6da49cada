//! The certificate that ties a TLS connection to a libp2p identity, made and checked.
//!
//! It is self-signed by a P-256 key of its own. An extension carries the node's Ed25519 key and that key's signature
//! over the P-256 one. Only what this needs is accepted: the structure is read as strict DER, and a certificate that
//! does not come out the same when it is written again is refused.
//!
//! See the libp2p TLS specification, "Peer Authentication"; RFC 5280 §4.1 for the structure.

use crate::error::{Code, TransferError};
use crate::peer::{KEY_BYTES, KEY_PREFIX, PeerId};
use der::asn1::{Any, BitString, GeneralizedTime, Int, ObjectIdentifier, OctetString, UtcTime};
use der::{Choice, DateTime, Decode, Encode, Sequence, Tag};
use ring::signature::{self, ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ours have some 400 bytes; a certificate with long names and further extensions still fits.
const CERTIFICATE_BYTES_MAX: usize = 2048;

const LIBP2P_EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.53594.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// Before the P-256 key in what the node's key signs.
const SIGNED_PREFIX: &[u8] = b"libp2p-tls-handshake:";
/// `version` of a certificate with extensions.
const VERSION_3: u8 = 2;

#[derive(Sequence)]
struct Certificate {
    body: Body,
    algorithm: Algorithm,
    signature: BitString,
}

/// RFC 5280's `TBSCertificate`, without the unique ids that nobody uses.
#[derive(Sequence)]
struct Body {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: Int,
    algorithm: Algorithm,
    issuer: Any,
    validity: Validity,
    subject: Any,
    key: KeyInfo,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Algorithm {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<Any>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

#[derive(Choice)]
enum Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

#[derive(Sequence)]
struct KeyInfo {
    algorithm: Algorithm,
    key: BitString,
}

#[derive(Sequence)]
struct Extension {
    oid: ObjectIdentifier,
    #[asn1(default = "not_critical")]
    critical: bool,
    value: OctetString,
}

fn not_critical() -> bool {
    false
}

/// What the libp2p extension holds.
#[derive(Sequence)]
struct SignedKey {
    public_key: OctetString,
    signature: OctetString,
}

/// A certificate's own key as it is in the certificate, and whom the certificate names.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) peer: PeerId,
    /// DER of its `SubjectPublicKeyInfo`.
    pub(crate) key_info: Vec<u8>,
}

/// Checks all that a certificate says by itself. That the other side has its key, TLS checks.
pub(crate) fn verify(bytes: &[u8], now: Duration) -> Result<Verified, TransferError> {
    if bytes.len() > CERTIFICATE_BYTES_MAX {
        return Err(refused("is too long"));
    }
    let certificate = Certificate::from_der(bytes).map_err(|_| refused("is malformed"))?;
    if certificate.to_der().map_err(|_| refused("is malformed"))? != bytes {
        return Err(refused("is not in canonical form"));
    }
    let Certificate { body, algorithm, signature } = &certificate;
    if body.version != VERSION_3 || !algorithm.is_ecdsa() || !body.algorithm.is_ecdsa() {
        return Err(refused("is not signed by ECDSA with SHA-256"));
    }
    if !body.key.algorithm.is_p256() {
        return Err(refused("has a key that is not one of P-256"));
    }
    if now < body.validity.not_before.since_epoch() || now > body.validity.not_after.since_epoch() {
        return Err(refused("is not valid at this time"));
    }
    let own = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, body.key.key.as_bytes().unwrap_or_default());
    let signed = body.to_der().map_err(|_| refused("is malformed"))?;
    let whole = signature.as_bytes().ok_or_else(|| refused("is malformed"))?;
    own.verify(&signed, whole).map_err(|_| refused("is not signed by its own key"))?;
    let key_info = body.key.to_der().map_err(|_| refused("is malformed"))?;
    let peer = named_peer(&body.extensions, &key_info)?;
    Ok(Verified { peer, key_info })
}

/// The peer in the one libp2p extension, which must have signed the certificate's key.
fn named_peer(extensions: &[Extension], key_info: &[u8]) -> Result<PeerId, TransferError> {
    let (ours, others): (Vec<_>, Vec<_>) =
        extensions.iter().partition(|extension| extension.oid == LIBP2P_EXTENSION);
    if others.iter().any(|extension| extension.critical) {
        return Err(refused("has a critical extension that is not known here"));
    }
    let [extension] = ours[..] else { return Err(refused("does not name exactly one peer")) };
    let signed = SignedKey::from_der(extension.value.as_bytes()).map_err(|_| refused("names no peer"))?;
    let key = signed.public_key.as_bytes().strip_prefix(&KEY_PREFIX);
    let key: [u8; KEY_BYTES] = key
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| refused("names a peer by another kind of key than Ed25519"))?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&statement(key_info), signed.signature.as_bytes())
        .map_err(|_| refused("is not signed by the peer that it names"))?;
    Ok(PeerId::new(key))
}

impl Algorithm {
    fn is_ecdsa(&self) -> bool {
        self.oid == ECDSA_WITH_SHA256 && self.parameters.is_none()
    }

    fn is_p256(&self) -> bool {
        let curve = self.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        self.oid == EC_PUBLIC_KEY && curve == Some(P256)
    }
}

impl Time {
    fn since_epoch(&self) -> Duration {
        match self {
            Self::Utc(time) => time.to_unix_duration(),
            Self::General(time) => time.to_unix_duration(),
        }
    }
}

/// What the node's key signs about a certificate's key.
fn statement(key_info: &[u8]) -> Vec<u8> {
    [SIGNED_PREFIX, key_info].concat()
}

fn refused(why: &str) -> TransferError {
    TransferError::new(Code::PeerProtocol, format!("The peer's certificate {why}."))
}

/// The time that certificates are held against.
pub(crate) fn now() -> Duration {
    // A clock before 1970 finds every certificate not valid yet, which is as it should be.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A fresh key for one certificate. It never leaves this process, and dies with it.
pub struct CertificateKey {
    pkcs8: Vec<u8>,
    pair: signature::EcdsaKeyPair,
    key_info: Vec<u8>,
}

/// A certificate and its key: what this node shows to others.
pub struct Identity {
    peer: PeerId,
    pub(crate) certificate: Vec<u8>,
    pub(crate) pkcs8: Vec<u8>,
}

impl Identity {
    /// Whom it names.
    pub fn peer(&self) -> PeerId {
        self.peer
    }
}

impl CertificateKey {
    /// Makes a key.
    ///
    /// # Errors
    /// `INTERNAL` when the system gives no randomness.
    pub fn generate() -> Result<Self, TransferError> {
        let random = ring::rand::SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| unmade())?;
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|_| unmade())?;
        let key_info = key_info(&pair).and_then(|info| info.to_der()).map_err(|_| unmade())?;
        Ok(Self { pkcs8: pkcs8.as_ref().to_vec(), pair, key_info })
    }

    /// What the node's Ed25519 key has to sign.
    pub fn statement(&self) -> Vec<u8> {
        statement(&self.key_info)
    }

    /// Makes the certificate.
    ///
    /// It is valid for as long as dates go: what it shows is that both keys belong together, and it is forgotten with
    /// its key when the process ends. An end before that would only tie connections to the clocks of both sides.
    ///
    /// # Errors
    /// `USAGE` when `signed` is not the signature of `node` over the statement.
    pub fn certify(self, node: PeerId, signed: &[u8]) -> Result<Identity, TransferError> {
        let certificate = self.build(node, signed).map_err(|_| unmade())?;
        let verified = verify(&certificate, now());
        verified.map_err(|error| TransferError::new(Code::Usage, error.message))?;
        Ok(Identity { peer: node, certificate, pkcs8: self.pkcs8 })
    }

    fn build(&self, node: PeerId, signed: &[u8]) -> der::Result<Vec<u8>> {
        let ecdsa = || Algorithm { oid: ECDSA_WITH_SHA256, parameters: None };
        // An empty list of names; libp2p looks at none.
        let nobody = || Any::new(Tag::Sequence, []);
        let public_key = OctetString::new([&KEY_PREFIX[..], node.key()].concat())?;
        let value = SignedKey { public_key, signature: OctetString::new(signed)? }.to_der()?;
        let body = Body {
            version: VERSION_3,
            serial_number: Int::new(&[1])?,
            algorithm: ecdsa(),
            issuer: nobody()?,
            validity: Validity {
                not_before: Time::Utc(UtcTime::from_date_time(DateTime::new(1975, 1, 1, 0, 0, 0)?)?),
                not_after: Time::General(GeneralizedTime::from_date_time(DateTime::INFINITY)),
            },
            subject: nobody()?,
            key: key_info(&self.pair)?,
            extensions: vec![Extension {
                oid: LIBP2P_EXTENSION,
                // Who does not know the extension does not know whom the certificate names.
                critical: true,
                value: OctetString::new(value)?,
            }],
        };
        let random = ring::rand::SystemRandom::new();
        let own = self.pair.sign(&random, &body.to_der()?).map_err(|_| der::ErrorKind::Failed)?;
        Certificate { body, algorithm: ecdsa(), signature: BitString::from_bytes(own.as_ref())? }.to_der()
    }
}

fn key_info(pair: &signature::EcdsaKeyPair) -> der::Result<KeyInfo> {
    use signature::KeyPair;
    let parameters = Some(Any::encode_from(&P256)?);
    let key = BitString::from_bytes(pair.public_key().as_ref())?;
    Ok(KeyInfo { algorithm: Algorithm { oid: EC_PUBLIC_KEY, parameters }, key })
}

fn unmade() -> TransferError {
    TransferError::new(Code::Internal, "A certificate could not be made.")
}

#[cfg(test)]
mod tests;
