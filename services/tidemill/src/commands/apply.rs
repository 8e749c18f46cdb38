//! `tidemill apply`: make what the pipeline needs.

use std::collections::BTreeMap;

use runtime::apply::Applied;
use serde_json::{Value, json};

use crate::changes::Changes;
use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;

pub fn run(global: &Global, output: Output, rebuild: bool) -> Result<(), Error> {
    let environment = if rebuild { Environment::upcoming(global)? } else { Environment::open(global)? };
    let changes = Changes::find(&environment)?;
    if rebuild {
        // What is refused begins no generation.
        changes.check()?;
        environment.claim()?;
    }
    let applied = changes.carry_out(&environment)?;
    output.show(|| text(&environment, &applied, rebuild), || value(&environment, &applied))
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

fn value(environment: &Environment, applied: &Applied) -> Value {
    let schemas: Vec<Value> =
        applied.schemas.iter().map(|(subject, id)| json!({ "subject": subject, "id": id })).collect();
    json!({
        "pipeline": environment.context.plan.pipeline,
        "generation": environment.context.plan.generation,
        "topics_created": applied.topics,
        "topics_grown": applied.grown,
        "schemas": schemas,
        "compatibility_set": applied.rules.iter().map(|(topic, rule)| (topic, rule.name())).collect::<BTreeMap<_, _>>(),
        "fences_written": applied.fences,
        "parents_named": applied.named,
    })
}
