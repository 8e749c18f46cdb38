//! Arguments of commands that run a gateway, and `tidemill token`.

use std::path::PathBuf;

use clap::Args;
use gateway::tokens::{Role, Tokens};
use gateway::{Certificate, Listener};

use crate::error::Error;

/// Where the gateway is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway options")]
pub struct Doors {
    /// Where the gateway listens for programs of this machine, which need no token; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = gateway::LISTEN, env = "TIDEMILL_LISTEN")]
    pub listen: String,
    /// Where it listens for others, such as 0.0.0.0:7443. They need a token.
    #[arg(long, value_name = "HOST:PORT", env = "TIDEMILL_PUBLIC", requires = "tokens")]
    pub public: Option<String>,
    /// File with the tokens that are let in, as `tidemill token` prints them.
    #[arg(long, value_name = "FILE", env = "TIDEMILL_TOKENS", requires = "public")]
    pub tokens: Option<PathBuf>,
    /// Certificate chain for TLS at the public address, in PEM.
    #[arg(long, value_name = "FILE", env = "TIDEMILL_TLS_CERT", requires_all = ["public", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "TIDEMILL_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve the public address without TLS, because a proxy in front of it does that.
    #[arg(long, env = "TIDEMILL_PLAIN_HTTP", requires = "public", conflicts_with = "tls_cert")]
    pub plain_http: bool,
}

impl Doors {
    /// Listens.
    pub fn listener(&self) -> Result<Listener, Error> {
        let listener = Listener::bind(&self.listen)?;
        let (Some(public), Some(tokens)) = (&self.public, &self.tokens) else { return Ok(listener) };
        let pair = self.tls_cert.as_deref().zip(self.tls_key.as_deref());
        let certificate = pair.map(|(chain, key)| Certificate { chain, key });
        if certificate.is_none() && !self.plain_http {
            return Err(Error::Input(format!(
                "tokens would go to {public} as plain text; give --tls-cert and --tls-key, or --plain-http if a proxy in front of it does TLS"
            )));
        }
        Ok(listener.public(public, Tokens::read(tokens).map_err(gateway::Error::from)?, certificate)?)
    }
}

/// `tidemill token`.
#[derive(Debug, Args)]
pub struct Token {
    /// Whose token it is.
    pub name: String,
    /// What it is good for: read, publish, score, operate.
    #[arg(long = "role", value_name = "ROLE", required = true, value_delimiter = ',', value_parser = role)]
    pub roles: Vec<Role>,
}

fn role(text: &str) -> Result<Role, String> {
    let known = Role::ALL.map(Role::name);
    let found = Role::ALL.into_iter().find(|role| role.name() == text);
    found.ok_or_else(|| match flow::config::nearest(text, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known: {}", known.join(", ")),
    })
}
