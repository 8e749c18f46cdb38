//! Whether an entity's limits push keys out of a partition's state, as an incident: it begins with the first row with which
//! something goes, is told again in each further hour of event time in which something does, and is over once an hour has
//! passed in which nothing did. It goes by the rows, one by one, so batches and replays tell the same.

use flow::alert::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Event time in which an incident is told once.
const HOUR_US: i64 = 3_600_000_000;

/// The incident of one partition; it opens again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incident {
    /// Its fingerprint.
    pub name: String,
    /// States that were told so far.
    pub revision: u32,
    /// Event time at which it began, while it is open.
    pub opened_us: Option<i64>,
    /// The last hour in which something went.
    hour: i64,
}

/// A state to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// The incident.
    pub incident: String,
    /// Counts its states.
    pub revision: u32,
    /// Where it stands.
    pub state: State,
    /// Whether it is over because its partition is no more.
    pub is_left: bool,
    /// Event time at which it began.
    pub opened_us: i64,
    /// Event time of this state.
    pub time_us: i64,
}

impl Incident {
    /// Takes note of a row at the greatest event time so far, and whether something went with it.
    fn row(&mut self, time_us: i64, went: bool) -> Option<Notice> {
        let hour = time_us.div_euclid(HOUR_US);
        let state = match self.opened_us {
            None if went => State::Open,
            Some(_) if went && hour > self.hour => State::Updated,
            Some(_) if !went && hour > self.hour.saturating_add(1) => State::Resolved,
            _ => return None,
        };
        if went {
            self.hour = hour;
        }
        Some(self.tell(state, time_us))
    }

    fn tell(&mut self, state: State, time_us: i64) -> Notice {
        let opened_us = self.opened_us.unwrap_or(time_us);
        self.opened_us = (state != State::Resolved).then_some(opened_us);
        self.revision += 1;
        let (incident, revision) = (self.name.clone(), self.revision);
        Notice { incident, revision, state, is_left: false, opened_us, time_us }
    }
}

/// What a task knows of incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incidents {
    /// Greatest event time of all rows.
    clock_us: Option<i64>,
    /// That of the task's own partition.
    pub own: Incident,
    /// Open ones of partitions of an older generation of the log: the next row ends them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left: Vec<Incident>,
}

impl Incidents {
    /// Nothing went yet; `name` is the fingerprint.
    pub fn new(name: String) -> Self {
        Incidents { own: Incident { name, ..Incident::default() }, ..Incidents::default() }
    }

    /// Takes up what was saved. The fingerprint is known, and one from a handover has none.
    pub fn restore(&mut self, saved: Incidents) {
        let name = std::mem::take(&mut self.own.name);
        *self = Incidents { own: Incident { name, ..saved.own }, ..saved };
    }

    /// Takes note of a row, and whether something went with it.
    pub fn row(&mut self, time_us: i64, went: bool, mut tell: impl FnMut(Notice)) {
        let time_us = self.clock_us.map_or(time_us, |clock_us| clock_us.max(time_us));
        self.clock_us = Some(time_us);
        for mut left in self.left.drain(..) {
            tell(Notice { is_left: true, ..left.tell(State::Resolved, time_us) });
        }
        self.own.row(time_us, went).into_iter().for_each(tell);
    }

    /// What the task of a partition of a new generation begins with, of so many: it ends the open incidents of some old
    /// partitions, each of which has one heir, and goes on from the greatest time of those that it comes from.
    pub fn hand_over(
        old: &[Option<Incidents>],
        before: impl Iterator<Item = usize>,
        (partition, partitions): (usize, usize),
    ) -> Option<Incidents> {
        old.iter().any(Option::is_some).then(|| {
            let before: BTreeSet<usize> = before.collect();
            let clocks = old.iter().enumerate().filter(|(at, _)| before.contains(at));
            let heir = old.iter().skip(partition).step_by(partitions).flatten();
            let open = heir.flat_map(|one| one.left.iter().chain([&one.own])).filter(|one| one.opened_us.is_some());
            Incidents {
                clock_us: clocks.filter_map(|(_, one)| one.as_ref()?.clock_us).max(),
                own: Incident::default(),
                left: open.cloned().collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::snapshot::{Blob, Header};

    const MINUTE_US: i64 = 60_000_000;

    /// Rows by minute, and whether something went with them; what is told of each.
    fn told(incidents: &mut Incidents, rows: &[(i64, bool)]) -> Vec<String> {
        let mut lines = Vec::new();
        for (minutes, went) in rows {
            incidents.row(minutes * MINUTE_US, *went, |notice| {
                let Notice { incident, revision, state, is_left, opened_us, time_us } = notice;
                let left = if is_left { ", left" } else { "" };
                let (opened, time) = (opened_us / MINUTE_US, time_us / MINUTE_US);
                lines.push(format!("{incident} {revision} {state:?} at {time} since {opened}{left}"));
            });
        }
        lines
    }

    #[test]
    fn an_incident_is_told_once_an_hour_and_ends_after_an_hour_without() {
        let mut incidents = Incidents::new("a".to_owned());
        let rows = [(5, false), (10, true), (11, true), (12, false), (70, true), (119, true), (179, false)];
        let opened = ["a 1 Open at 10 since 10", "a 2 Updated at 70 since 10"];
        assert_eq!(told(&mut incidents, &rows), opened);
        assert_eq!(told(&mut incidents, &[(180, false), (300, false)]), ["a 3 Resolved at 180 since 10"]);
        assert_eq!(told(&mut incidents, &[(301, true)]), ["a 4 Open at 301 since 301"]);
    }

    #[test]
    fn rows_that_are_behind_change_nothing_about_the_time() {
        let mut incidents = Incidents::new("a".to_owned());
        assert_eq!(told(&mut incidents, &[(600, false), (10, true)]), ["a 1 Open at 600 since 600"]);
        assert_eq!(told(&mut incidents, &[(601, false), (20, true), (602, false), (30, true)]), [""; 0]);
    }

    #[test]
    fn what_is_saved_goes_on() {
        let mut incidents = Incidents::new("a".to_owned());
        told(&mut incidents, &[(10, true), (70, true)]);
        let saved = Blob { header: Header::default(), own: incidents.clone() }.text();
        let mut again = Incidents::new("a".to_owned());
        again.restore(Blob::read(&saved).unwrap().own);
        assert_eq!(again, incidents);
        assert_eq!(told(&mut again, &[(180, false)]), ["a 3 Resolved at 180 since 10"]);
    }

    #[test]
    fn each_open_incident_of_an_old_generation_ends_once() {
        let name = |generation: usize, partition: usize| format!("g{generation}/{partition}");
        let old: Vec<Option<Incidents>> = (0..4)
            .map(|partition| {
                let mut incidents = Incidents::new(name(1, partition));
                // Nothing went in partition 2.
                told(&mut incidents, &[(partition as i64, partition != 2)]);
                Some(incidents)
            })
            .collect();
        for partitions in [2, 3, 16] {
            let mut lines = Vec::new();
            for partition in 0..partitions {
                let handed = Incidents::hand_over(&old, 0..4, (partition, partitions)).unwrap();
                let mut again = Incidents::new(name(2, partition));
                again.restore(handed);
                lines.extend(told(&mut again, &[(0, false), (1, true)]).into_iter().filter(|line| line.contains("g1")));
            }
            lines.sort();
            let ended = |partition: usize| format!("g1/{partition} 2 Resolved at 3 since {partition}, left");
            assert_eq!(lines, [ended(0), ended(1), ended(3)], "{partitions} partitions");
        }
        assert_eq!(Incidents::hand_over(&[None, None], 0..2, (0, 1)), None, "without limits there is nothing");
    }
}
