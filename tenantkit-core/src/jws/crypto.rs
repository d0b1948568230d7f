//! All cryptography: the one file that knows `ring`.

use std::fmt;

use ring::{
    rand::{SecureRandom, SystemRandom},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    },
};

/// How a key signs (RFC 7518, section 3.1 and RFC 8037). A key has one algorithm, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA, PKCS#1 v1.5, with SHA-256, 2048 to 8192 bits. Only for tokens of the outside world.
    Rs256,
}

impl Algorithm {
    /// Its name in the header of a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Whether `name` means this. RFC 9864 gives EdDSA on Ed25519 a second name.
    pub(crate) fn has_name(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bytes that are no key of the algorithm, or one that is too weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unusable;

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Ed25519([u8; 32]),
    /// The uncompressed point.
    P256([u8; 65]),
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
}

impl PublicKey {
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, Unusable> {
        x.try_into().map(Self::Ed25519).map_err(|_| Unusable)
    }

    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, Unusable> {
        let mut point = [0x04; 65];
        if x.len() != 32 || y.len() != 32 {
            return Err(Unusable);
        }
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        Ok(Self::P256(point))
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, Unusable> {
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        let is_minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        let good_exponent = is_minimal(e) && is_odd(e) && e.len() <= 4 && e != [1];
        if !(2048..=8192).contains(&bits) || !is_minimal(n) || !is_odd(n) || !good_exponent {
            return Err(Unusable);
        }
        Ok(Self::Rsa { n: n.into(), e: e.into() })
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Self::Rsa { n, e } => PublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// A key that signs.
pub(crate) enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl PrivateKey {
    /// From the seed. The public key, where one is given, must be the seed's.
    pub(crate) fn ed25519(seed: &[u8], public: Option<&[u8]>) -> Result<Self, Unusable> {
        match public {
            Some(public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => Ed25519KeyPair::from_seed_unchecked(seed),
        }
        .map(Self::Ed25519)
        .map_err(|_| Unusable)
    }

    /// From the scalar and the point, which must belong to each other.
    pub(crate) fn p256(d: &[u8], x: &[u8], y: &[u8]) -> Result<Self, Unusable> {
        let PublicKey::P256(point) = PublicKey::p256(x, y)? else { return Err(Unusable) };
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, d, &point, &random)
            .map(Self::P256)
            .map_err(|_| Unusable)
    }

    /// A new one. It fails when the operating system gives no randomness.
    pub(crate) fn generate_p256() -> Result<Self, Unusable> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self::pkcs8(Algorithm::Es256, document.map_err(|_| Unusable)?.as_ref())
    }

    /// From an unencrypted PKCS#8 document, DER.
    pub(crate) fn pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, Unusable> {
        match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed25519),
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                der,
                &SystemRandom::new(),
            )
            .map(Self::P256),
            Algorithm::Rs256 => return Err(Unusable),
        }
        .map_err(|_| Unusable)
    }

    pub(crate) fn public(&self) -> Result<PublicKey, Unusable> {
        match self {
            Self::Ed25519(pair) => PublicKey::ed25519(pair.public_key().as_ref()),
            Self::P256(pair) => {
                pair.public_key().as_ref().try_into().map(PublicKey::P256).map_err(|_| Unusable)
            }
        }
    }

    /// Signs. It fails when the operating system gives no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Unusable> {
        let signature = match self {
            Self::Ed25519(pair) => pair.sign(message),
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).map_err(|_| Unusable)?,
        };
        signature.as_ref().try_into().map_err(|_| Unusable)
    }
}

/// Randomness of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Unusable> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Unusable)?;
    Ok(bytes)
}
