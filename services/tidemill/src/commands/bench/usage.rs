//! Whose CPU it was: from samples of processes to a row per service.

use std::collections::BTreeMap;
use std::time::Instant;

use super::direct::THREAD;
use super::fleet::Process;
use super::sample::{Cpu, Sample};
use crate::error::Error;

/// What belongs to no service in a process with several: starting up, the log's own thread, signals.
pub const REST: &str = "rest";

/// CPU of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The service, or [`REST`].
    pub name: String,
    /// Its CPU.
    pub cpu: Cpu,
    /// The same by thread.
    pub threads: BTreeMap<String, Cpu>,
}

/// CPU and memory of all measured processes.
#[derive(Debug, Clone)]
pub struct Usage {
    /// A row per service.
    pub rows: Vec<Row>,
    /// The sum.
    pub total: Cpu,
    /// The most memory of each process, in their order.
    pub peaks: Vec<(String, u64)>,
}

impl Usage {
    /// What the processes used between two moments; without a first one, from their start on.
    pub fn of(processes: &[Process], from: Option<Instant>, to: Instant) -> Result<Self, Error> {
        let (mut rows, mut peaks) = (Vec::new(), Vec::new());
        for process in processes {
            let services = process.services.join(", ");
            let unseen = || Error::Failed(format!("the process with {services} ended before it could be looked at"));
            let end = process.at(to).ok_or_else(unseen)?;
            let start = from.and_then(|from| process.at(from));
            rows.extend(split(&process.services, start, end));
            peaks.push((services, end.peak_bytes));
        }
        let total = rows.iter().fold(Cpu::default(), |sum, row| sum.plus(row.cpu));
        Ok(Usage { rows, total, peaks })
    }
}

/// A row per service of one process. Threads of a service have its name, alone or before a dot; of longer names the
/// system keeps the first 15 bytes.
fn split(services: &[String], start: Option<&Sample>, end: &Sample) -> Vec<Row> {
    let whole = end.whole.since(start.map_or(Cpu::default(), |start| start.whole));
    let before = |name: &String| start.and_then(|start| start.threads.get(name)).copied().unwrap_or_default();
    let mut threads: BTreeMap<String, Cpu> =
        end.threads.iter().map(|(name, cpu)| (name.clone(), cpu.since(before(name)))).collect();
    if let [service] = services {
        return vec![Row { name: service.clone(), cpu: whole, threads }];
    }
    let directing = threads.remove(THREAD).unwrap_or_default();
    let mut rest = whole.since(directing);
    let mut rows = Vec::new();
    for service in services {
        let (own, others) = threads.into_iter().partition(|(name, _)| {
            name.strip_prefix(service.as_str()).is_some_and(|after| after.is_empty() || after.starts_with('.'))
        });
        threads = others;
        let own: BTreeMap<String, Cpu> = own;
        let cpu = own.values().fold(Cpu::default(), |sum, cpu| sum.plus(*cpu));
        rest = rest.since(cpu);
        rows.push(Row { name: service.clone(), cpu, threads: own });
    }
    rows.push(Row { name: REST.to_owned(), cpu: rest, threads });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(user_us: u64) -> Cpu {
        Cpu { user_us, system_us: 0 }
    }

    fn sample(whole: u64, threads: &[(&str, u64)]) -> Sample {
        let threads = threads.iter().map(|(name, user_us)| ((*name).to_owned(), cpu(*user_us))).collect();
        Sample { at: Instant::now(), whole: cpu(whole), threads, peak_bytes: 0 }
    }

    #[test]
    fn threads_go_to_their_service_and_the_director_to_nobody() {
        let start = sample(10, &[("scorer", 4)]);
        let end = sample(
            110,
            &[("scorer", 24), ("featurizer.cust", 30), ("featurizer.jour", 10), ("scorerX", 5), (THREAD, 7)],
        );
        let rows = split(&["featurizer".to_owned(), "scorer".to_owned()], Some(&start), &end);
        let shown: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.cpu.user_us)).collect();
        // 100 in all, less 7 for directing.
        assert_eq!(shown, [("featurizer", 40), ("scorer", 20), (REST, 33)]);
    }

    #[test]
    fn a_process_of_one_service_is_all_its() {
        let rows = split(&["scorer".to_owned()], None, &sample(50, &[("scorer", 20), ("rdk:main", 5)]));
        assert_eq!((rows.len(), rows[0].cpu, rows[0].threads.len()), (1, cpu(50), 2));
    }
}
