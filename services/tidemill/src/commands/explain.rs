//! `tidemill explain`: what a code means, and what to do about it.

use flow::config::explain::{self, Explained};
use flow::config::nearest;
use schemas::reject::{Code, Help};
use serde_json::{Value, json};

use crate::error::Error;
use crate::output::{Output, table};

/// What there is to say of a code.
struct Meaning {
    code: &'static str,
    title: Option<&'static str>,
    cause: &'static str,
    example: &'static str,
    remedy: &'static str,
}

pub fn run(output: Output, code: Option<&str>) -> Result<(), Error> {
    let Some(code) = code else {
        let all: Vec<Meaning> = all().collect();
        return output.show(|| list(&all), || all.iter().map(Meaning::value).collect());
    };
    let found = all().find(|meaning| meaning.code.eq_ignore_ascii_case(code));
    let meaning = found.ok_or_else(|| unknown(code))?;
    output.show(|| meaning.text(), || meaning.value())
}

/// Codes of pipeline files, then those of dead letters.
fn all() -> impl Iterator<Item = Meaning> {
    let rejected = Code::ALL.iter().filter_map(|code| {
        let Help { cause, example, remedy } = code.help()?;
        Some(Meaning { code: code.as_str(), title: None, cause, example: example.trim_matches('`'), remedy })
    });
    explain::all().map(Meaning::from).chain(rejected)
}

fn unknown(code: &str) -> Error {
    let meant = nearest(code, all().map(|meaning| meaning.code));
    let help = meant
        .map_or_else(|| "`tidemill explain` lists all codes".to_owned(), |meant| format!("did you mean `{meant}`?"));
    Error::Input(format!("there is no code `{code}`; {help}"))
}

impl From<Explained> for Meaning {
    fn from(Explained { code, title, cause, example, remedy }: Explained) -> Self {
        Meaning { code, title: Some(title), cause, example, remedy }
    }
}

impl Meaning {
    fn text(&self) -> String {
        let title = self.title.unwrap_or("the reason of a dead letter");
        let part = |name: &str, text: &str| format!("{name:<9}{text}\n");
        let parts = [part("cause", self.cause), part("example", self.example), part("remedy", self.remedy)];
        format!("{}: {title}\n\n{}", self.code, parts.concat())
    }

    fn value(&self) -> Value {
        let Meaning { code, title, cause, example, remedy } = self;
        json!({ "code": code, "title": title, "cause": cause, "example": example, "remedy": remedy })
    }
}

fn list(all: &[Meaning]) -> String {
    let row = |meaning: &Meaning| vec![meaning.code.to_owned(), meaning.title.unwrap_or(meaning.cause).to_owned()];
    table(&["CODE", "MEANING"], &all.iter().map(row).collect::<Vec<_>>())
}
