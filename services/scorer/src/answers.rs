//! What the tasks of this process say on the control topic: whether they could honour what is proposed, and which fence
//! they took.

use crate::report::{Reporter, Said};
use crate::watch::{Surroundings, Verdict, Watch};
use flow::processor::Stop;
use runtime::log::Session;
use runtime::shell::{self, Slot};

/// What was said for one partition.
#[derive(Debug, Clone, Copy)]
struct Told {
    partition: i32,
    question: u64,
    fence: i64,
}

/// Speaks for the tasks of a shell.
pub(crate) struct Answers {
    watch: Watch,
    reporter: Reporter,
    told: Vec<Told>,
    verdict: Option<Verdict>,
}

impl Answers {
    pub fn new(surroundings: Surroundings) -> Result<Self, Stop> {
        let reporter = Reporter::new(&surroundings.context, "scorer").map_err(crate::stop)?;
        let watch = Watch::start(surroundings).map_err(crate::stop)?;
        Ok(Answers { watch, reporter, told: Vec::new(), verdict: None })
    }

    /// Notes a partition whose task begins with the given fence in force.
    pub fn opened(&mut self, partition: i32, fence: i64) {
        self.told.retain(|told| told.partition != partition);
        self.told.push(Told { partition, question: 0, fence });
    }

    /// Says what was not said yet. After most polls that is nothing, and a few comparisons find it out.
    pub fn tell(&mut self, slots: &[Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        let asked = self.watch.question();
        if self.verdict.as_ref().map_or(0, |verdict| verdict.question) != asked {
            self.verdict = self.watch.verdict().filter(|_| asked > 0);
        }
        let Answers { told, reporter, verdict, .. } = self;
        for slot in slots {
            let Some(told) = told.iter_mut().find(|told| told.partition == slot.tp.partition) else { continue };
            if let Some(verdict) = verdict.as_ref().filter(|verdict| told.question < verdict.question) {
                told.question = verdict.question;
                let said = if verdict.refusal.is_none() { Said::Ready } else { Said::Refused };
                let detail = verdict.refusal.as_deref().unwrap_or_default();
                let record = reporter.record((told.partition, verdict.number), said, detail);
                session.publish(record.map_err(crate::stop)?)?;
            }
            if let Some(fence) = slot.task.fence().filter(|fence| told.fence < *fence && !slot.restoring()) {
                told.fence = fence;
                let record = reporter.record((told.partition, fence.unsigned_abs()), Said::Taken, "");
                session.publish(record.map_err(crate::stop)?)?;
            }
        }
        Ok(())
    }
}
