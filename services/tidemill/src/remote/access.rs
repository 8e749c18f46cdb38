//! The token and the trusted certificates that the environment has for a gateway's public address.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use ureq::SendBody;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Request};
use ureq::middleware::MiddlewareNext;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{Remote, base, settings};
use crate::error::Error;

/// Variable with the token for a gateway's public address.
const TOKEN_VARIABLE: &str = "TIDEMILL_TOKEN";
/// Variable with the file of certificates that are trusted there, in PEM; without it those of public authorities are.
const CA_VARIABLE: &str = "TIDEMILL_GATEWAY_CA";
impl Remote {
    /// The gateway that a user names, with the token and the trusted certificates that the environment has for it.
    pub fn named(address: &str) -> Result<Self, Error> {
        let mut settings = settings();
        if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Error::Input(format!("{TOKEN_VARIABLE} holds no token: it has odd characters")))?;
            settings = settings.middleware(move |mut request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                next.handle(request)
            });
        }
        if let Some(file) = std::env::var_os(CA_VARIABLE) {
            settings = settings.tls_config(TlsConfig::builder().root_certs(trusted(&file)?).build());
        }
        Ok(Self { base: base(address), agent: settings.build().into() })
    }
}

/// The certificates of a file.
fn trusted(file: &OsStr) -> Result<RootCerts, Error> {
    let wrong = |detail: &dyn std::fmt::Display| {
        let file = Path::new(file).display();
        Error::Input(format!("{CA_VARIABLE}: {file} holds no certificates in PEM: {detail}"))
    };
    let text = std::fs::read(file).map_err(|error| wrong(&error))?;
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    let certificates: Vec<Certificate<'static>> =
        certificates.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    match certificates.is_empty() {
        true => Err(wrong(&"there is none in it")),
        false => Ok(RootCerts::Specific(Arc::new(certificates))),
    }
}
