//! Parts of tests that a machine may lack: servers, interpreters, real data. A test that lacks one is skipped and says so
//! in one line, unless a variable makes that an error. `.ci/run` sets those of the parts that it installs.

use crate::process::say;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A real schema registry.
    Apicurio,
    /// The official JSON Schema of AsyncAPI.
    Asyncapi,
    /// The client that reads the file for containers.
    Compose,
    /// Real data.
    Data,
    /// A small disk that can be full.
    Disk,
    /// Real brokers.
    Kafka,
    /// Foreign readers of what we write.
    Python,
    /// A real S3 server.
    S3,
    /// Shells beside bash.
    Shells,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 9] = [
        Self::Apicurio,
        Self::Asyncapi,
        Self::Compose,
        Self::Data,
        Self::Disk,
        Self::Kafka,
        Self::Python,
        Self::S3,
        Self::Shells,
    ];

    /// The variable that forbids to skip for want of it, with the value 1.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Apicurio => "TIDEMILL_REQUIRE_APICURIO",
            Self::Asyncapi => "TIDEMILL_REQUIRE_ASYNCAPI",
            Self::Compose => "TIDEMILL_REQUIRE_COMPOSE",
            Self::Data => "TIDEMILL_REQUIRE_DATA",
            Self::Disk => "TIDEMILL_REQUIRE_DISK",
            Self::Kafka => "TIDEMILL_REQUIRE_KAFKA",
            Self::Python => "TIDEMILL_REQUIRE_PYTHON",
            Self::S3 => "TIDEMILL_REQUIRE_S3",
            Self::Shells => "TIDEMILL_REQUIRE_SHELLS",
        }
    }

    /// Who needs what.
    fn needs(self) -> &'static str {
        match self {
            Self::Apicurio => "a real schema registry needs java 21 and mvn",
            Self::Asyncapi => "the schema of AsyncAPI needs npm and its registry",
            Self::Compose => "the file for containers is checked by `docker compose`",
            Self::Data => "real data is wanted, TIDEMILL_TEST_DATA names its folder",
            Self::Disk => "a small disk is mounted by root, or under `unshare --map-root-user --mount`",
            Self::Kafka => "real Kafka needs java 17 and mvn",
            Self::Python => "foreign readers need python3 with pip and a package index",
            Self::S3 => "a real S3 server needs go",
            Self::Shells => "completions are tried in zsh and fish",
        }
    }

    /// The line of who is skipped, as an error where this value of the variable forbids it.
    fn skipped(self, why: &str, value: Option<&str>) -> Result<String, String> {
        let line = format!("skipped: {} ({why})", self.needs());
        match value {
            Some("1") => Err(format!("{line}, and {}=1 forbids a skip", self.variable())),
            _ => Ok(line),
        }
    }
}

/// What was found of a part. Without it, says why not; a failed test where its variable forbids that.
#[track_caller]
pub fn required<T>(part: Part, found: Result<T, String>) -> Option<T> {
    let why = match found {
        Ok(found) => return Some(found),
        Err(why) => why,
    };
    match part.skipped(&why, std::env::var(part.variable()).ok().as_deref()) {
        Ok(line) => say(&line),
        Err(line) => panic!("{line}"),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn what_is_missing_is_said_or_an_error() {
        let said = Part::S3.skipped("no go", None);
        assert_eq!(said.as_deref(), Ok("skipped: a real S3 server needs go (no go)"));
        assert_eq!(Part::S3.skipped("no go", Some("0")), said);
        let forbidden = Part::S3.skipped("no go", Some("1")).unwrap_err();
        assert!(forbidden.ends_with("(no go), and TIDEMILL_REQUIRE_S3=1 forbids a skip"), "{forbidden}");
    }
}
