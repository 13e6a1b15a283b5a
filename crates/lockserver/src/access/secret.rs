//! Secrets of keys: made here, shown once, kept as digests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// What every secret begins with, so that programs that look for leaked secrets find them.
pub const SECRET_PREFIX: &str = "lsk_";
/// What a written digest begins with.
const ALGORITHM: &str = "sha256:";

/// A fresh secret: 256 random bits.
pub struct Secret(String);

impl Secret {
    /// Makes one.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| SecretError::Randomness(error.to_string()))?;
        Ok(Self(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The secret itself. To be shown once and not kept.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the server keeps of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why there is no secret or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not written as a digest.
    #[error("write it as sha256: and 64 hexadecimal digits, as 'lockserver key new' prints it")]
    Digest,
    /// The secret itself, where its digest belongs.
    #[error(
        "this looks like the secret itself; write its digest, sha256:..., and make a new secret if others have seen this one"
    )]
    Plain,
    /// Too short to be hard to guess, or with blanks or control characters.
    #[error("a secret has 20 to 200 visible ASCII characters; 'lockserver key new' makes one")]
    Weak,
    /// The system has none.
    #[error("the system provides no random bytes: {0}")]
    Randomness(String),
}

/// SHA-256 of a secret. A secret has 256 random bits, so nothing slower is needed to keep it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it; never with the text in it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.starts_with(SECRET_PREFIX) {
            return Err(SecretError::Plain);
        }
        let digits = text.strip_prefix(ALGORITHM).ok_or(SecretError::Digest)?.as_bytes();
        let mut digest = [0; 32];
        if digits.len() != 2 * digest.len() {
            return Err(SecretError::Digest);
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(SecretError::Digest);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).expect("two digits");
        }
        Ok(Self(digest))
    }

    /// Reads a digest, or a secret as it is: what may stand in a file that only the server can read.
    ///
    /// # Errors
    /// What is wrong with it; never with the text in it.
    pub fn parse_or_of(text: &str) -> Result<Self, SecretError> {
        if text.starts_with(ALGORITHM) {
            return Self::parse(text);
        }
        // What is nearly a digest was not meant to be the password: everybody may know a digest.
        let lower = text.to_ascii_lowercase();
        if lower.contains(ALGORITHM) || (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(SecretError::Digest);
        }
        if !(20..=200).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Weak);
        }
        Ok(Self::of(text))
    }

    /// Compares in a time that does not depend on what is found.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Digest {
    /// As the configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_different() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(one.reveal().len(), SECRET_PREFIX.len() + 43);
        assert!(one.reveal()[SECRET_PREFIX.len()..].bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_eq!(format!("{one:?} {:?}", one.digest()), "Secret(..) Digest(..)");
    }

    #[test]
    fn digests_are_written_and_read() {
        // The test vector of FIPS 180-2 for "abc".
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of("abc").to_string(), text);
        assert_eq!(Digest::parse(text), Ok(Digest::of("abc")));
        assert_eq!(Digest::parse(&text.to_uppercase().replace("SHA256", "sha256")), Ok(Digest::of("abc")));
        for bad in ["", "sha256:", "sha256:12", "md5:00", &text[..70], &format!("{text}0"), &text.replace("ba", "gg")] {
            assert_eq!(Digest::parse(bad), Err(SecretError::Digest), "{bad}");
        }
        assert_eq!(Digest::parse("lsk_xyz"), Err(SecretError::Plain));
    }

    #[test]
    fn a_file_may_hold_the_secret_itself() {
        let secret = Secret::generate().unwrap();
        assert_eq!(Digest::parse_or_of(secret.reveal()), Ok(secret.digest()));
        assert_eq!(Digest::parse_or_of(&secret.digest().to_string()), Ok(secret.digest()));
        let digest = secret.digest().to_string();
        for nearly in [&digest[ALGORITHM.len()..], &digest.to_uppercase(), &format!("SECRET_HASH={digest}")] {
            assert_eq!(Digest::parse_or_of(nearly), Err(SecretError::Digest), "{nearly}");
        }
        for weak in ["", "secret", "two words are not one secret", "ü2345678901234567890"] {
            assert_eq!(Digest::parse_or_of(weak), Err(SecretError::Weak), "{weak}");
        }
    }
}
