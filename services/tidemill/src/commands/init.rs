//! `tidemill init`: a folder with a pipeline that runs.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::Global;
use crate::cli::init::Init;
use crate::commands::schema;
use crate::environment::Environment;
use crate::error::Error;
use crate::init::{Files, Wanted, check_empty, derive, template, topic};
use crate::loading;
use crate::output::Output;

pub fn run(global: &Global, output: Output, options: &Init) -> Result<(), Error> {
    check_empty(&options.dir)?;
    let files = match (&options.from, &options.id, &options.time) {
        (None, Some(id), Some(time)) => of_topics(global, options, (id, time))?,
        (Some(file), Some(id), Some(time)) => derive(&Wanted {
            file,
            id,
            time,
            key: options.key.as_deref(),
            label: options.label.as_deref(),
            label_delay: &options.label_delay,
            name: options.name.as_deref(),
        })?,
        _ => template(&options.template)?,
    };
    let files = files.with_editor_schema(schema::text());
    files.check(global)?;
    let written = files.write(&options.dir)?;
    output.show(
        || text(&options.dir, &files, &written),
        || json!({ "files": written, "next": files.next, "notes": files.notes }),
    )
}

/// From topics that are there.
fn of_topics(global: &Global, options: &Init, (id, time): (&str, &str)) -> Result<Files, Error> {
    let label = match (options.label_topic.as_deref(), options.label.as_deref()) {
        (Some(topic), Some(label)) => Some((topic, label)),
        (None, Some(_)) => {
            let message =
                "--label: name the topic that has labels with --label-topic TOPIC; an event does not know its own";
            return Err(Error::Input(message.to_owned()));
        }
        _ => None,
    };
    let wanted = topic::Wanted {
        topic: options.topic.as_deref().unwrap_or_default(),
        id,
        time,
        key: options.key.as_deref(),
        label,
        label_id: options.label_id.as_deref(),
        label_time: options.label_time.as_deref(),
        label_delay: &options.label_delay,
        name: options.name.as_deref(),
    };
    topic::derive(&Environment::existing(global)?, &wanted)
}

impl Files {
    /// What is written must be a pipeline without mistakes; a derived one may not be, such as with a name that is none.
    fn check(&self, global: &Global) -> Result<(), Error> {
        let find = |name: &str| self.files.iter().find(|(file, _)| file == name).map(|(_, text)| text.clone());
        let yaml = find(loading::PIPELINE_FILE).unwrap_or_default();
        let resolve = |schema: &str| find(schema).ok_or_else(|| "it is not among the files".to_owned());
        loading::read_text(loading::PIPELINE_FILE.to_owned(), yaml, &resolve).checked(global).map(|_| ())
    }
}

fn text(dir: &Path, files: &Files, written: &[PathBuf]) -> String {
    let mut lines: Vec<String> = written.iter().map(|path| format!("wrote {}", path.display())).collect();
    lines.extend(files.notes.iter().map(|note| format!("note: {note}")));
    lines.push("go on with".to_owned());
    if dir != Path::new(".") {
        lines.push(format!("  cd {}", dir.display()));
    }
    let usual = ["tidemill validate", "tidemill plan"].map(str::to_owned);
    lines.extend(usual.iter().chain(&files.next).map(|command| format!("  {command}")));
    lines.join("\n")
}
