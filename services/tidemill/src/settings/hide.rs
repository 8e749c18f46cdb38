//! Secrets are settings, too, and are never shown.

/// What stands for a secret.
const HIDDEN: &str = "***";
/// Names of settings of the Kafka client whose values are secrets have one of these in them.
const SECRET_PARTS: [&str; 6] = ["password", "secret", "token", "key.pem", "jaas", "oauthbearer.config"];

/// A value as it may be shown.
pub fn hidden(setting: &str, value: &str) -> String {
    match (setting, value.split_once('=')) {
        ("token", _) => HIDDEN.to_owned(),
        ("kafka", Some((key, _))) if SECRET_PARTS.iter().any(|part| key.to_lowercase().contains(part)) => {
            format!("{key}={HIDDEN}")
        }
        _ => without_user(value),
    }
}

/// A URL without the user and password that may stand before the host.
fn without_user(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_not() {
        let rows = [
            ("token", "abc", "***"),
            ("kafka", "sasl.password=a=b", "sasl.password=***"),
            ("kafka", "SSL.Key.Password=a", "SSL.Key.Password=***"),
            ("kafka", "sasl.oauthbearer.client.secret=a", "sasl.oauthbearer.client.secret=***"),
            ("kafka", "sasl.username=ada", "sasl.username=ada"),
            ("schema_registry", "https://ada:pw@host/a@b", "https://***@host/a@b"),
            ("schema_registry", "https://host/a@b", "https://host/a@b"),
            ("brokers", "host:9092", "host:9092"),
        ];
        for (setting, value, shown) in rows {
            assert_eq!(hidden(setting, value), shown);
        }
    }
}
