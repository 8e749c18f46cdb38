//! Where a store of the S3 interface is: its URL, and what AWS's own tools take from the environment.

use super::super::{Error, Result, S3Settings, key};
use super::sign::Credentials;

/// What comes before bucket and prefix.
pub(super) const SCHEME: &str = "s3://";
/// Region where none is named; servers other than Amazon's ignore it.
const REGION: &str = "us-east-1";

/// A bucket, and a prefix in it.
#[derive(Clone)]
pub(super) struct Place {
    /// Scheme, host and port of the server, without a slash at the end.
    pub(super) endpoint: String,
    /// Host and port.
    pub(super) host: String,
    pub(super) bucket: String,
    /// Segments before every key; may be empty.
    pub(super) prefix: String,
    pub(super) region: String,
    pub(super) credentials: Credentials,
    /// For messages.
    pub(super) shown: String,
}

impl Place {
    /// Reads a URL and what belongs to it.
    pub(super) fn read(url: &str, settings: &S3Settings) -> Result<Self> {
        let refuse = |detail: String| Error::Url { url: url.to_owned(), detail };
        let path = url.strip_prefix(SCHEME).ok_or_else(|| refuse(format!("it does not begin with {SCHEME}")))?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if bucket.len() < 3 || !bucket.bytes().all(is_plain) {
            return Err(refuse(format!("`{bucket}` is no name of a bucket")));
        }
        key::check_prefix(prefix).map_err(|error| refuse(error.to_string()))?;
        let set = |name: &&str| settings.get(*name).filter(|value| !value.is_empty()).cloned();
        let first = |names: &[&str]| names.iter().find_map(set);
        let needed = |name: &str| {
            let missing = || refuse(format!("the variable {name} is not set, which signs requests"));
            first(&[name]).ok_or_else(missing)
        };
        let region = first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| REGION.to_owned());
        let own = first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let shown = match &own {
            Some(endpoint) => format!("{} at {endpoint}", url.trim_end_matches('/')),
            None => url.trim_end_matches('/').to_owned(),
        };
        let endpoint = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let host = match endpoint.split_once("://") {
            Some(("http", host)) => host.strip_suffix(":80").unwrap_or(host),
            Some(("https", host)) => host.strip_suffix(":443").unwrap_or(host),
            _ => return Err(refuse(format!("its endpoint {endpoint} begins with neither http:// nor https://"))),
        };
        if host.is_empty() || host.contains(['/', '@', '?']) {
            return Err(refuse(format!("its endpoint {endpoint} is more than a host and a port")));
        }
        Ok(Place {
            host: host.to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            credentials: Credentials {
                key: needed("AWS_ACCESS_KEY_ID")?,
                secret: needed("AWS_SECRET_ACCESS_KEY")?,
                token: first(&["AWS_SESSION_TOKEN"]),
            },
            endpoint,
            region,
            shown,
        })
    }

    /// A key as the server has it; of no key the prefix.
    pub(super) fn full(&self, key: &str) -> String {
        match (&*self.prefix, key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(url: &str, settings: &[(&str, &str)]) -> Result<Place> {
        Place::read(url, &settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[test]
    fn a_url_names_bucket_and_prefix() {
        let place = read("s3://bucket/a/b/", &KEYS).unwrap();
        assert_eq!((&*place.bucket, &*place.prefix), ("bucket", "a/b"));
        assert_eq!((&*place.host, &*place.region), ("s3.us-east-1.amazonaws.com", "us-east-1"));
        assert_eq!((place.full("k"), place.full("")), ("a/b/k".to_owned(), "a/b".to_owned()));
        let own = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/"), ("AWS_REGION", "eu-1")];
        let place = read("s3://bucket", &[&KEYS[..], &own[..]].concat()).unwrap();
        assert_eq!((&*place.endpoint, &*place.host), ("http://127.0.0.1:9000", "127.0.0.1:9000"));
        assert_eq!((place.full("k"), &*place.region), ("k".to_owned(), "eu-1"));
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
}
