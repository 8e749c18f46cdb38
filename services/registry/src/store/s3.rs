//! The store behind the S3 interface, Amazon's or that of another server: its URL, and what AWS's own tools take from the
//! environment.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::remote::Remote;
use super::{Error, Result, S3Settings, key};

/// What comes before bucket and prefix.
const SCHEME: &str = "s3://";
/// What the names of AWS's variables begin with.
const VARIABLES: &str = "AWS_";
/// How long a connection may take.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long one request may take from start to end, with its body.
const REQUEST_TIMEOUT_MS: u64 = 120_000;
/// How often a request is tried again that may be made twice.
const RETRIES_MAX: usize = 4;
/// After this long a request is not tried again.
const RETRY_TIMEOUT_MS: u64 = 60_000;
/// First pause between two attempts.
const PAUSE_MS: u64 = 200;
/// Longest pause between two attempts.
const PAUSE_MAX_MS: u64 = 5_000;
/// Variables of which one must be set, so that requests can be signed: a key, or where a role's key comes from. A
/// machine's own role is asked for by name, as asking for it elsewhere takes minutes to fail.
const SIGNERS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// Whether a text is the URL of such a store.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with(SCHEME)
}

/// The store at a URL.
pub(super) fn open(url: &str, settings: &S3Settings) -> Result<Remote> {
    let place = Place::read(url, settings)?;
    let refuse = |detail: String| Error::Url { url: url.to_owned(), detail };
    let built = |retry: RetryConfig| place.client(settings, retry).map_err(|error| refuse(error.to_string()));
    let pauses = BackoffConfig {
        init_backoff: Duration::from_millis(PAUSE_MS),
        max_backoff: Duration::from_millis(PAUSE_MAX_MS),
        base: 2.0,
    };
    let retry_timeout = Duration::from_millis(RETRY_TIMEOUT_MS);
    let repeating = built(RetryConfig { max_retries: RETRIES_MAX, retry_timeout, backoff: pauses.clone() })?;
    let once = built(RetryConfig { max_retries: 0, retry_timeout, backoff: pauses })?;
    Ok(Remote::over_network(place.within(repeating), place.within(once), place.shown))
}

/// A bucket, and a prefix in it.
struct Place {
    bucket: String,
    /// Segments before every key; may be empty.
    prefix: String,
    /// The server that is not Amazon's.
    endpoint: Option<String>,
    /// For messages.
    shown: String,
}

impl Place {
    /// Reads a URL and what belongs to it.
    fn read(url: &str, settings: &S3Settings) -> Result<Self> {
        let refuse = |detail: String| Error::Url { url: url.to_owned(), detail };
        let path = url.strip_prefix(SCHEME).ok_or_else(|| refuse(format!("it does not begin with {SCHEME}")))?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if bucket.len() < 3 || !bucket.bytes().all(is_plain) {
            return Err(refuse(format!("`{bucket}` is no name of a bucket")));
        }
        key::check_prefix(prefix).map_err(|error| refuse(error.to_string()))?;
        let set = |name: &&str| settings.get(*name).filter(|value| !value.is_empty());
        if SIGNERS.iter().find_map(set).is_none() {
            let roles = SIGNERS[1..].join(", ");
            return Err(refuse(format!(
                "the variable {} is not set, which signs requests (for a role: {roles})",
                SIGNERS[0]
            )));
        }
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().find_map(set).cloned();
        let shown = match &endpoint {
            Some(endpoint) => format!("{} at {endpoint}", url.trim_end_matches('/')),
            None => url.trim_end_matches('/').to_owned(),
        };
        if let Some(endpoint) = &endpoint {
            let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
            let host = host
                .ok_or_else(|| refuse(format!("its endpoint {endpoint} begins with neither http:// nor https://")))?;
            let host = host.trim_end_matches('/');
            if host.is_empty() || host.contains(['/', '@', '?']) {
                return Err(refuse(format!("its endpoint {endpoint} is more than a host and a port")));
            }
        }
        Ok(Place { bucket: bucket.to_owned(), prefix: prefix.to_owned(), endpoint, shown })
    }

    /// A client for the bucket.
    fn client(&self, settings: &S3Settings, retry: RetryConfig) -> object_store::Result<AmazonS3> {
        let is_plain_http = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            .with_timeout(Duration::from_millis(REQUEST_TIMEOUT_MS))
            .with_allow_http(is_plain_http);
        let mut builder = AmazonS3Builder::new().with_client_options(options);
        for (name, value) in settings.iter().filter(|(name, value)| name.starts_with(VARIABLES) && !value.is_empty()) {
            // Variables that other tools know are none of ours.
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        builder
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .build()
    }

    /// The part of a bucket that is ours.
    fn within(&self, client: AmazonS3) -> Arc<dyn ObjectStore> {
        if self.prefix.is_empty() {
            Arc::new(client)
        } else {
            Arc::new(PrefixStore::new(client, Path::from(&*self.prefix)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::scripted::serve;

    fn read(url: &str, settings: &[(&str, &str)]) -> Result<Place> {
        Place::read(url, &settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[test]
    fn a_url_names_bucket_and_prefix() {
        let place = read("s3://bucket/a/b/", &KEYS).unwrap();
        assert_eq!((&*place.bucket, &*place.prefix, &*place.shown), ("bucket", "a/b", "s3://bucket/a/b"));
        let own = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/"), ("AWS_REGION", "eu-1")];
        let place = read("s3://bucket", &[&KEYS[..], &own[..]].concat()).unwrap();
        assert_eq!((&*place.prefix, place.endpoint.as_deref()), ("", Some("http://127.0.0.1:9000/")));
        assert_eq!(place.shown, "s3://bucket at http://127.0.0.1:9000/");
        assert!(read("s3://bucket", &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token")]).is_ok(), "a role signs, too");
    }

    #[test]
    fn what_cannot_be_a_store_is_said_without_the_secret() {
        let secret = [("AWS_SECRET_ACCESS_KEY", "s3cr3t")];
        for (url, settings, said) in [
            ("gs://bucket", &KEYS[..], "s3://"),
            ("s3://", &KEYS[..], "no name of a bucket"),
            ("s3://Bucket", &KEYS[..], "no name of a bucket"),
            ("s3://bucket/a b", &KEYS[..], "cannot be a key"),
            ("s3://bucket", &secret[..], "AWS_ACCESS_KEY_ID is not set"),
            ("s3://bucket", &[KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", "localhost:1")][..], "neither http://"),
            ("s3://bucket", &[KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", "http://a/b")][..], "more than a host"),
        ] {
            let error = read(url, settings).err().unwrap().to_string();
            assert!(error.contains(said) && !error.contains("s3cr3t"), "{url}: {error}");
        }
    }

    #[test]
    fn a_key_without_its_secret_is_refused_and_a_store_does_not_show_its_secret() {
        let half = S3Settings::from([("AWS_ACCESS_KEY_ID".to_owned(), "k".to_owned())]);
        let error = open("s3://bucket", &half).unwrap_err().to_string();
        assert!(error.to_lowercase().contains("secret"), "{error}");
        let whole = KEYS.map(|(name, _)| (name.to_owned(), "s3cr3t".to_owned())).into();
        assert_eq!(format!("{:?}", open("s3://bucket/p", &whole).unwrap()), "Remote(\"s3://bucket/p\")");
    }

    /// The store that asks a server with these answers.
    fn scripted(answers: Vec<(u16, &'static str)>) -> (Remote, Receiver<String>) {
        let (url, requests) = serve(answers);
        let mut settings: S3Settings = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        settings.insert("AWS_ENDPOINT_URL".to_owned(), url);
        (open("s3://bucket", &settings).unwrap(), requests)
    }

    /// The server keeps what is there.
    const KEPT: (u16, &str) = (412, "");

    #[test]
    fn a_creation_that_the_server_refused_for_now_is_tried_again() {
        const CONFLICT: (u16, &str) = (409, "<Code>ConditionalRequestConflict</Code>");
        let (store, requests) = scripted(vec![KEPT, (503, ""), CONFLICT, (200, "")]);
        store.put_create("k", b"v").unwrap();
        let asked: Vec<String> = requests.iter().map(|request| request.to_lowercase()).collect();
        let is_creation =
            |request: &String| request.starts_with("put /bucket/k ") && request.contains("if-none-match: *");
        assert!(asked.len() == 4 && asked[1..].iter().all(is_creation), "{asked:?}");
    }

    #[test]
    fn a_creation_of_which_nobody_knows_whether_it_happened_is_not_repeated() {
        let (store, requests) = scripted(vec![KEPT, (500, ""), KEPT]);
        assert!(matches!(store.put_create("k", b""), Err(Error::Unavailable { .. })));
        assert!(matches!(store.put_create("k", b""), Err(Error::AlreadyExists { .. })));
        assert_eq!(requests.iter().count(), 3);
    }

    #[test]
    fn a_server_that_replaces_what_exists_is_refused() {
        let (store, _requests) = scripted(vec![(200, ""), (200, "")]);
        let error = store.put_create("k", b"").unwrap_err().to_string();
        assert!(error.contains("ignores If-None-Match"), "{error}");
    }

    #[test]
    fn a_bucket_that_is_not_there_is_no_missing_object() {
        let (store, _requests) = scripted(vec![(404, "<Code>NoSuchKey</Code>"), (404, "<Code>NoSuchBucket</Code>")]);
        assert!(store.find("k").unwrap().is_none());
        assert!(matches!(store.find("k"), Err(Error::Unavailable { .. })));
    }
}
