//! A journal that looks through all lines of its script again for each of them.

use flow::config::LabelPolicy;

/// What a line says.
pub(crate) fn part<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap()
}

fn id(line: &str) -> &str {
    line.split_whitespace().nth(2).unwrap()
}

/// Lines that a journal should write, with neither origins nor emissions; and how many labels say nothing new. By
/// looking through all that came before, again for each line.
pub(crate) fn naive(lines: &[String], policy: LabelPolicy) -> (Vec<String>, u64) {
    let (mut written, mut same) = (Vec::new(), 0);
    for (at, line) in lines.iter().enumerate() {
        let known = |label: &str| part(label, "t=").parse::<i64>().unwrap();
        // The label that stands after the first so many lines.
        let standing = |count: usize| -> Option<&String> {
            let mut labels = lines[..count].iter().filter(|label| label.starts_with('L') && id(label) == id(line));
            match policy {
                LabelPolicy::First => labels.next(),
                LabelPolicy::Last => labels.max_by_key(|label| known(label)),
            }
        };
        let value = |label: &String| part(label, "v=").to_owned() + ".0";
        let outcome = |label: &String, revision: usize| {
            let revision = if revision > 0 { format!(" revision {revision}") } else { String::new() };
            format!("outcome {} known={} label={}{revision}", id(line), known(label), value(label))
        };
        let is_event_there = lines[..at].iter().any(|event| event.starts_with('T') && id(event) == id(line));
        let (before, after) = (standing(at), standing(at + 1));
        match (line.starts_with('T'), before, after) {
            (true, Some(label), _) => written.push(outcome(first_of_its_kind(lines, at, label, policy), 0)),
            (true, None, _) => {}
            (false, None, Some(label)) if is_event_there => written.push(outcome(label, 0)),
            (false, None, _) => {}
            (false, Some(before), _) if value(before) == value(line) => same += 1,
            (false, Some(before), Some(after)) if value(before) != value(after) => {
                if is_event_there {
                    let earlier = written.iter().filter(|one| one.starts_with(&format!("outcome {} ", id(line))));
                    written.push(outcome(line, earlier.count()));
                } else {
                    let refused = first_of_its_kind(lines, at, before, policy);
                    written.push(refusal(refused, "LABEL_SUPERSEDED", &value(line)));
                }
            }
            (false, Some(before), _) => {
                let reason = match policy {
                    LabelPolicy::First => "LABEL_CONFLICT",
                    LabelPolicy::Last => "LABEL_SUPERSEDED",
                };
                written.push(refusal(line, reason, &value(before)));
            }
        }
    }
    (written, same)
}

/// Of labels in a row that say the same the first one's known time is told: the one that made this value stand.
fn first_of_its_kind<'a>(lines: &'a [String], at: usize, label: &'a String, policy: LabelPolicy) -> &'a String {
    if policy == LabelPolicy::First {
        return label;
    }
    let mut standing: Option<(&String, &String)> = None;
    for one in lines[..at].iter().filter(|one| one.starts_with('L') && id(one) == id(label)) {
        let known = |label: &str| part(label, "t=").parse::<i64>().unwrap();
        standing = match standing {
            None => Some((one, one)),
            Some((first, last)) if known(one) < known(last) => Some((first, last)),
            Some((first, _)) if part(first, "v=") == part(one, "v=") => Some((first, one)),
            Some(_) => Some((one, one)),
        };
    }
    standing.unwrap().0
}

fn refusal(line: &str, reason: &str, standing: &str) -> String {
    format!("refused {} known={} label={}.0 {reason} standing={standing}", id(line), part(line, "t="), part(line, "v="))
}
