//! Rehearsing a crash: a service that ends or stops itself at a named place, as `TIDEMILL_FAILPOINT` says.
//!
//! `kill published 17 fraud.featurizer.customer` ends the process as `kill -9` would when a task of that consumer group
//! comes to the place for the 17th time; `stop` stops it as `kill -STOP` would, until somebody sends it on. Several are
//! separated by `;`. Without the last word any group counts. The places are those of `runtime::failpoint`.

use std::sync::atomic::{AtomicU64, Ordering};

use runtime::failpoint::{self, COMPACTION, PLACES, REPARTITION};
use tracing::warn;

use crate::error::Error;

/// Where it is said.
const VARIABLE: &str = "TIDEMILL_FAILPOINT";

/// What happens at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Stop,
}

/// One place, and what happens there when.
#[derive(Debug)]
struct Point {
    action: Action,
    place: String,
    visit: u64,
    group: String,
    visits: AtomicU64,
}

/// Arms what the variable says; nothing without it.
pub fn arm() -> Result<(), Error> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let text = text.to_string_lossy().into_owned();
    let points = text.split(';').map(parse).collect::<Result<Vec<_>, _>>()?;
    warn!(failpoints = text, "rehearsing a crash: this process ends or stops itself");
    failpoint::arm(move |place, of| {
        points.iter().for_each(|point| point.pass(place, of));
        false
    });
    Ok(())
}

fn parse(text: &str) -> Result<Point, Error> {
    let wrong = |why: String| {
        let help = "write `kill PLACE VISIT [GROUP]` or `stop PLACE VISIT [GROUP]`";
        Error::Input(format!("{VARIABLE}: {why} in `{}`; {help}", text.trim()))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (action, place, visit, group) = match words[..] {
        [action, place, visit] => (action, place, visit, ""),
        [action, place, visit, group] => (action, place, visit, group),
        _ => return Err(wrong(format!("{} words", words.len()))),
    };
    let action = match action {
        "kill" => Action::Kill,
        "stop" => Action::Stop,
        other => return Err(wrong(format!("no action `{other}`"))),
    };
    if ![&PLACES[..], &REPARTITION, &COMPACTION].iter().any(|places| places.contains(&place)) {
        return Err(wrong(format!("no place `{place}` (there are {})", PLACES.join(", "))));
    }
    let visit = visit.parse().ok().filter(|visit| *visit > 0);
    let visit = visit.ok_or_else(|| wrong("no number of a visit".to_owned()))?;
    Ok(Point { action, place: place.to_owned(), visit, group: group.to_owned(), visits: AtomicU64::new(0) })
}

impl Point {
    fn pass(&self, place: &str, of: &str) {
        if place == self.place
            && of.starts_with(&self.group)
            && self.visits.fetch_add(1, Ordering::Relaxed) + 1 == self.visit
        {
            self.action.happen();
        }
    }
}

impl Action {
    #[cfg(unix)]
    fn happen(self) {
        let signal = match self {
            Action::Kill => libc::SIGKILL,
            Action::Stop => libc::SIGSTOP,
        };
        // SAFETY: it sends this thread a signal that no handler can catch.
        unsafe { libc::raise(signal) };
    }

    #[cfg(not(unix))]
    fn happen(self) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_counts_its_own_visits_only() {
        let point = parse(" stop published 17 g.one ").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((point.action, &*point.place, point.visit), (Action::Stop, "published", 17));
        point.pass("published", "g.two");
        point.pass("polled", "g.one");
        point.pass("published", "g.one.topic.3");
        assert_eq!(point.visits.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_cannot_be_armed_is_said() {
        for (text, said) in [
            ("", "0 words"),
            ("kill", "1 words"),
            ("pause polled 1", "no action `pause`"),
            ("kill nowhere 1", "no place `nowhere` (there are polled, "),
            ("kill polled 0", "no number"),
            ("kill polled first", "no number"),
        ] {
            let error = parse(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
