//! Compact JSON Web Signatures, read strictly (RFC 7515, section 3.1 and RFC 8725).
//!
//! It is for tokens that one issuer signs with one key of one algorithm, and refuses everything else
//! that the standard allows: other serializations, keys or their addresses in the header, critical
//! extensions, white space and stray bits in base64url, a member that stands twice anywhere in the
//! JSON. Both kinds of token, [`TxnTokens`](crate::TxnTokens) and bearer tokens, are read by it.

pub(crate) mod budget;
pub(crate) mod cache;
pub(crate) mod claims;
mod crypto;
pub(crate) mod fault;
pub(crate) mod json;
pub(crate) mod jwk;
#[cfg(test)]
mod vectors;

use base64::{
    Engine,
    engine::{GeneralPurpose, general_purpose::URL_SAFE_NO_PAD},
};
pub use crypto::Algorithm;
pub(crate) use crypto::{PrivateKey, PublicKey, random};
pub(crate) use fault::Fault;

use crate::{MAX_IDENTITY_HEADER_LEN, Reason, SigningKey};

/// Without padding, and without stray bits behind the last byte: one text for one value.
pub(crate) const BASE64: GeneralPurpose = URL_SAFE_NO_PAD;

/// The longest token, in bytes; the claims have no bound of their own.
const MAX_TOKEN_LEN: usize = MAX_IDENTITY_HEADER_LEN;
/// The longest header, in bytes of JSON.
const MAX_HEADER_LEN: usize = 1024;
/// RSA with 8192 bits has the longest signature.
const MAX_SIGNATURE_LEN: usize = 1024;

/// A token in its three parts. Nothing of it is verified.
pub(crate) struct Compact<'a> {
    /// Header and claims, as they were signed.
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub(crate) fn split(token: &'a str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Reason::OversizeHeader);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::MalformedToken)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::MalformedToken)?;
        if claims.contains('.') {
            return Err(Reason::MalformedToken);
        }
        Ok(Self { signed, header, claims, signature })
    }

    /// The JSON of the header.
    pub(crate) fn header(&self) -> Result<Vec<u8>, Reason> {
        decode(self.header, MAX_HEADER_LEN)
    }

    /// The JSON of the claims.
    pub(crate) fn claims(&self) -> Result<Vec<u8>, Reason> {
        decode(self.claims, MAX_TOKEN_LEN)
    }

    /// How long the signature is, in characters.
    pub(crate) const fn signature_len(&self) -> usize {
        self.signature.len()
    }

    /// Checks the signature.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), Reason> {
        let signature = decode(self.signature, MAX_SIGNATURE_LEN)?;
        if key.verify(self.signed.as_bytes(), &signature) {
            Ok(())
        } else {
            Err(Reason::BadSignature)
        }
    }
}

/// Signs claims: a token of the type `typ`.
pub(crate) fn sign(
    key: &SigningKey,
    typ: &'static str,
    claims: &impl serde::Serialize,
) -> Result<String, Reason> {
    #[derive(serde::Serialize)]
    struct Header<'a> {
        alg: &'static str,
        typ: &'static str,
        kid: &'a str,
    }
    let public = key.verifying_key();
    let header = Header { alg: public.algorithm().as_str(), typ, kid: public.terms().kid() };
    let mut token = String::with_capacity(1024);
    encode(&header, &mut token)?;
    token.push('.');
    encode(claims, &mut token)?;
    let signature = key.private().sign(token.as_bytes()).map_err(|_| Reason::CannotMint)?;
    token.push('.');
    BASE64.encode_string(signature, &mut token);
    Ok(token)
}

fn encode(part: &impl serde::Serialize, token: &mut String) -> Result<(), Reason> {
    // Only strings and integers, which serde_json always writes.
    let json = serde_json::to_vec(part).map_err(|_| Reason::CannotMint)?;
    BASE64.encode_string(json, token);
    Ok(())
}

fn decode(part: &str, max_len: usize) -> Result<Vec<u8>, Reason> {
    // Four characters are three bytes.
    if part.is_empty() || part.len() > max_len.div_ceil(3) * 4 {
        return Err(Reason::MalformedToken);
    }
    BASE64.decode(part).map_err(|_| Reason::MalformedToken)
}

/// A header, of which only what decides is kept.
pub(crate) struct Header<'a> {
    fields: HeaderFields<'a>,
}

#[derive(serde::Deserialize)]
struct HeaderFields<'a> {
    #[serde(borrow)]
    alg: json::Str<'a>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    typ: Option<json::Str<'a>>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    kid: Option<json::Str<'a>>,
    // Extensions that have to be understood, and keys that a token brings along.
    #[serde(default)]
    crit: json::Present,
    #[serde(default)]
    b64: json::Present,
    #[serde(default)]
    jwk: json::Present,
    #[serde(default)]
    jku: json::Present,
    #[serde(default)]
    x5c: json::Present,
    #[serde(default)]
    x5u: json::Present,
}

impl<'a> Header<'a> {
    /// Reads a header.
    pub(crate) fn read(json: &'a [u8]) -> Result<Self, Reason> {
        let fields: HeaderFields<'a> = json::read(json, Reason::MalformedToken)?;
        let refused = [fields.crit, fields.b64, fields.jwk, fields.jku, fields.x5c, fields.x5u];
        if refused.contains(&json::Present::Yes) {
            return Err(Reason::WrongTokenType);
        }
        Ok(Self { fields })
    }

    /// The media type of the token, without `application/` in front (RFC 7515, section 4.1.9).
    pub(crate) fn typ(&self) -> Option<&str> {
        const PREFIX: &str = "application/";
        let typ = &**self.fields.typ.as_ref()?;
        match typ.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => Some(rest),
            _ => Some(typ),
        }
    }

    /// Which key signed it.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.fields.kid.as_deref()
    }

    /// Whether it is signed as `algorithm` signs. The key decides that, never the token.
    pub(crate) fn is_signed_by(&self, algorithm: Algorithm) -> bool {
        algorithm.has_name(&self.fields.alg)
    }
}
