//! `tidemill apply`: make what the pipeline needs.

use std::collections::BTreeMap;

use runtime::apply::Applied;
use runtime::changes::Kept;
use serde_json::{Value, json};

use crate::changes::{Changes, Left, LeftTopic};
use crate::cli::{Global, plan};
use crate::environment::{Environment, check_direct};
use crate::error::Error;
use crate::output::Output;

pub fn run(global: &Global, output: Output, options: &plan::Apply) -> Result<(), Error> {
    let rebuild = options.rebuild;
    check_direct(global)?;
    let environment = if rebuild { Environment::upcoming(global)? } else { Environment::open(global)? };
    let changes = Changes::find(&environment)?;
    if rebuild {
        // What is refused begins no generation.
        changes.check()?;
        environment.claim()?;
    }
    if options.delete_left_behind {
        // Whoever still works with them is found before anything is made.
        changes.left.check_unused(&environment)?;
    }
    let applied = changes.carry_out(&environment)?;
    let deleted = options.delete_left_behind.then_some(&changes.left);
    if let Some(left) = deleted {
        left.delete(&environment)?;
    }
    let text = || text(&environment, &applied, rebuild) + &deleted.map(gone).unwrap_or_default();
    output.show(text, || value(&environment, &applied, deleted))
}

fn gone(deleted: &Left) -> String {
    let topic = |topic: &LeftTopic| format!("\n  - {} is deleted, with {} records", topic.name, topic.records);
    let task = |(group, log): &(String, String)| format!("\n  - state of {group} over {log} is deleted");
    deleted.topics.iter().map(topic).chain(deleted.tasks.iter().map(task)).collect()
}

fn text(environment: &Environment, applied: &Applied, rebuild: bool) -> String {
    let plan = &environment.context.plan;
    let mut text = format!(
        "pipeline {} in generation {}: {} topics, {} of them new; {} schemas registered",
        plan.pipeline,
        plan.generation,
        plan.topics.len(),
        applied.topics.len(),
        applied.schemas.len(),
    );
    applied.topics.iter().for_each(|topic| text.push_str(&format!("\n  + {topic}")));
    for topic in &applied.grown {
        let partitions = plan.topic(topic).map_or(0, |topic| topic.partitions);
        text.push_str(&format!("\n  ^ {topic} has {partitions} partitions now"));
    }
    for Kept { topic, setting, from, to } in &applied.kept {
        text.push_str(&format!("\n  ^ {topic} has {setting} {to} now, and had {from}"));
    }
    for (topic, rule) in &applied.rules {
        text.push_str(&format!("\n  ^ schemas of {topic} are kept to {rule} from now on"));
    }
    for (log, number) in &applied.named {
        text.push_str(&format!("\n  ^ {log} knows the new partitions of its sources as parents (fence {number})"));
    }
    if rebuild {
        text.push_str("\nrestart the services; they compute the new generation from the first event on");
    }
    text
}

fn value(environment: &Environment, applied: &Applied, deleted: Option<&Left>) -> Value {
    let topics = deleted.map_or(&[][..], |left| &left.topics);
    let tasks = deleted.map_or(&[][..], |left| &left.tasks);
    let schemas: Vec<Value> =
        applied.schemas.iter().map(|(subject, id)| json!({ "subject": subject, "id": id })).collect();
    json!({
        "pipeline": environment.context.plan.pipeline,
        "generation": environment.context.plan.generation,
        "topics_created": applied.topics,
        "topics_grown": applied.grown,
        "settings_changed": applied.kept.iter().map(|kept| json!({ "topic": kept.topic, "setting": kept.setting })).collect::<Vec<_>>(),
        "topics_deleted": topics.iter().map(|topic| &topic.name).collect::<Vec<_>>(),
        "states_deleted": tasks.iter().map(|(group, log)| json!({ "group": group, "log": log })).collect::<Vec<_>>(),
        "schemas": schemas,
        "compatibility_set": applied.rules.iter().map(|(topic, rule)| (topic, rule.name())).collect::<BTreeMap<_, _>>(),
        "fences_written": applied.fences,
        "parents_named": applied.named,
    })
}
