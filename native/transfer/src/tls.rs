//! TLS 1.3 with a certificate on both sides that names a peer, and nothing else.

use crate::certificate::{self, Identity};
use crate::error::{Code, TransferError};
use crate::peer::PeerId;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// Name and version of the protocol, as TLS negotiates it.
pub const ALPN: &[u8] = b"catalog-bulk/1";

/// What a node needs for handshakes in either direction.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    /// Not rustls' usual one: it would refuse our own certificate for its critical extension.
    own: Arc<SingleCertAndKey>,
}

impl Tls {
    pub(crate) fn new(identity: &Identity) -> Result<Self, TransferError> {
        let provider = Arc::new(provider());
        let key = PrivatePkcs8KeyDer::from(identity.pkcs8.clone());
        let key = provider.key_provider.load_private_key(key.into()).map_err(|error| unusable(&error))?;
        let chain = vec![CertificateDer::from(identity.certificate.clone())];
        Ok(Self { provider, own: Arc::new(CertifiedKey::new(chain, key).into()) })
    }

    /// For connections that come in, from any peer that can say who it is.
    pub(crate) fn accepting(&self) -> Result<QuicServerConfig, TransferError> {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(Arc::new(self.verifier(None)))
            .with_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection shows its certificate: nothing to remember, and nobody to be taken for another one.
        config.send_tls13_tickets = 0;
        QuicServerConfig::try_from(config).map_err(|error| unusable(&error))
    }

    /// For a connection to one peer.
    pub(crate) fn dialling(&self, peer: PeerId) -> Result<QuicClientConfig, TransferError> {
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(Some(peer))))
            .with_client_cert_resolver(self.own.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        QuicClientConfig::try_from(config).map_err(|error| unusable(&error))
    }

    fn verifier(&self, expected: Option<PeerId>) -> Verifier {
        Verifier { expected, algorithms: self.provider.signature_verification_algorithms }
    }
}

/// Ring's, with AES-128 first: as safe as AES-256 here, and a fifth cheaper for every byte.
fn provider() -> CryptoProvider {
    use ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256],
        ..ring::default_provider()
    }
}

fn unusable(error: &dyn std::error::Error) -> TransferError {
    TransferError::new(Code::Internal, format!("TLS cannot be set up: {error}."))
}

/// The peer that a certificate of a finished handshake names.
pub(crate) fn peer_of(chain: &[CertificateDer<'_>]) -> Option<PeerId> {
    certificate::verify(chain.first()?, certificate::now()).ok().map(|verified| verified.peer)
}

/// Holds the other side's certificate against the rules, and against the peer that is expected.
#[derive(Debug)]
struct Verifier {
    expected: Option<PeerId>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn verify(&self, end: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        if !chain.is_empty() {
            return Err(Error::General("more than one certificate".into()));
        }
        let now = std::time::Duration::from_secs(now.as_secs());
        let verified = certificate::verify(end, now).map_err(|error| Error::General(error.message))?;
        match self.expected {
            Some(peer) if peer != verified.peer => {
                Err(Error::InvalidCertificate(CertificateError::NotValidForName))
            }
            _ => Ok(()),
        }
    }

    /// That the other side has the certificate's key: TLS's `CertificateVerify`.
    fn verify_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = certificate::verify(end, certificate::now());
        let verified = verified.map_err(|error| Error::General(error.message))?;
        let key = SubjectPublicKeyInfoDer::from(verified.key_info);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

fn only_tls13() -> Error {
    Error::General("only TLS 1.3 is spoken here".into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end, chain, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _end: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, end, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end, chain, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _end: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, end, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
