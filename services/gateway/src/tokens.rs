//! Who may do what from outside this machine. A token is a random text that its holder keeps; the gateway has its SHA-256
//! digest, so a file of tokens that is read by somebody lets nobody in. As a token has 256 random bits, its digest needs
//! neither salt nor stretching.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// What a token begins with, so that scanners of leaked secrets know it.
const PREFIX: &str = "tidemill_";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To see topics, models, control state and metrics.
    Read,
    /// To publish events and labels.
    Publish,
    /// To publish events and be told their predictions, and to ask models directly.
    Score,
    /// To promote models, ask for training, and publish records as they are.
    Operate,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Read, Role::Publish, Role::Score, Role::Operate];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Publish => "publish",
            Role::Score => "score",
            Role::Operate => "operate",
        }
    }
}

/// Somebody with a token, as the file of tokens says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Who it is, for logs and refusals.
    pub name: String,
    /// What the token is good for.
    pub roles: Vec<Role>,
    /// SHA-256 of the token in hexadecimal digits.
    pub sha256: String,
}

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the tokens in {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not as it should be.
    #[error(
        "{path}: {detail}; write a list of {{ name: shop, roles: [publish], sha256: … }}, as `tidemill token` prints"
    )]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// All tokens that are let in.
#[derive(Debug, Clone, Default)]
pub struct Tokens(BTreeMap<[u8; 32], Holder>);

impl Tokens {
    /// Reads a file of tokens.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let at = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: at.clone(), source })?;
        Self::parse(&text).map_err(|detail| Error::Invalid { path: at, detail })
    }

    /// The tokens of a text; an error that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let holders: Vec<Holder> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if holders.is_empty() {
            return Err("there is no token in it".to_owned());
        }
        let mut tokens = BTreeMap::new();
        for holder in holders {
            let name = holder.name.clone();
            if holder.roles.is_empty() {
                let known = Role::ALL.map(Role::name).join(", ");
                return Err(format!("`{name}` has no role; known: {known}"));
            }
            let digest = digest_of(&holder.sha256).ok_or_else(|| {
                format!("sha256 of `{name}` is no SHA-256 in 64 hexadecimal digits (never write the token itself)")
            })?;
            if let Some(other) = tokens.insert(digest, holder) {
                return Err(format!("`{}` and `{name}` have the same token", other.name));
            }
        }
        Ok(Self(tokens))
    }

    /// Who holds a token, if it is let in. Digests are compared, so the time that takes says nothing about the token.
    pub fn holder(&self, token: &str) -> Option<&Holder> {
        self.0.get(&<[u8; 32]>::from(Sha256::digest(token.as_bytes())))
    }
}

impl Holder {
    /// A new token, which is not kept anywhere, and its holder's entry.
    pub fn new(name: &str, roles: Vec<Role>) -> Result<(String, Self), Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let digest = Sha256::digest(token.as_bytes());
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((token, Self { name: name.to_owned(), roles, sha256 }))
    }
}

fn digest_of(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let (token, holder) = Holder::new("shop", vec![Role::Publish]).unwrap();
        let (other, _) = Holder::new("shop", vec![Role::Publish]).unwrap();
        let text = format!("- {{ name: shop, roles: [publish], sha256: {} }}\n", holder.sha256);
        let tokens = Tokens::parse(&text).unwrap();
        assert_eq!(tokens.holder(&token), Some(&holder));
        assert_eq!(tokens.holder(&other), None);
        assert!(!text.contains(&token));
        assert_eq!(token.len(), PREFIX.len() + 43);
    }

    #[track_caller]
    fn check(text: &str, said: &str) {
        let error = Tokens::parse(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }

    #[test]
    fn a_file_of_tokens_is_checked() {
        let digest = "00".repeat(32);
        check("[]", "no token");
        check("[{ name: a, roles: [rule], sha256: x }]", "rule");
        check(&format!("[{{ name: a, roles: [], sha256: {digest} }}]"), "known: read, publish, score, operate");
        check("[{ name: a, roles: [read], sha256: secret }]", "never write the token itself");
        let twice = format!(
            "- {{ name: a, roles: [read], sha256: '{digest}' }}\n- {{ name: b, roles: [read], sha256: '{digest}' }}"
        );
        check(&twice, "`a` and `b` have the same token");
        check("[{ name: a, role: [read], sha256: x }]", "role");
    }
}
