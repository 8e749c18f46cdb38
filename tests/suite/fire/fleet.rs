//! The services as processes: whoever is struck gets a successor, and zombies are woken once that one has gone on.

use super::schedule::Strike;
use runtime::context::Context;
use runtime::log::TopicPartition;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tests::service::{Place, Process, State};

/// How the last of a service's processes polls.
const LAST_POLL_RECORDS: usize = 4_096;
/// Longest that anything may take. A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(900);
/// Time between two looks at all processes.
const LOOK: Duration = Duration::from_millis(25);
/// Time between two looks at what a group committed.
const ASK: Duration = Duration::from_millis(500);
/// A zombie is woken after this long even if its successor had nothing to do.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Longest that a woken zombie lives on.
const AWAKE_MAX: Duration = Duration::from_secs(10);
/// What a process says that found itself replaced.
const REPLACED: [&str; 3] = ["starting over from", "partition lost", "partition taken"];

/// What has happened to the processes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Ended by themselves at a named place, with SIGKILL.
    pub killed: usize,
    /// Stopped at a named place, and woken later.
    pub woken: usize,
    /// Of those, how many slept while their successor committed.
    pub overtaken: usize,
    /// Of those woken, how many noticed that they had been replaced.
    pub replaced: usize,
}

/// One service, and what is still to happen to it.
struct Post {
    service: &'static str,
    strikes: VecDeque<Strike>,
    /// The strike that the process is under.
    strike: Option<Strike>,
    process: Process,
}

struct Zombie {
    process: Process,
    group: &'static str,
    /// The group's offsets when it was stopped.
    committed: i64,
    since: Instant,
    asked: Instant,
    /// How much it had said when it was woken.
    woken: Option<usize>,
}

/// All services of a pipeline.
pub struct Fleet<'a> {
    context: &'a Context,
    place: Place,
    posts: Vec<Post>,
    zombies: Vec<Zombie>,
    tally: Tally,
    strikes: usize,
}

impl<'a> Fleet<'a> {
    /// Starts every service once.
    pub fn start(context: &'a Context, place: Place, services: &[&'static str], strikes: &[Strike]) -> Self {
        let posts = services.iter().map(|service| {
            let own = strikes.iter().filter(|strike| strike.target.service == *service).cloned();
            let mut strikes: VecDeque<Strike> = own.collect();
            let strike = strikes.pop_front();
            let process = start(&place, service, strike.as_ref());
            Post { service, strikes, strike, process }
        });
        let posts = posts.collect();
        Fleet { context, place, posts, zombies: Vec::new(), tally: Tally::default(), strikes: strikes.len() }
    }

    /// How many strikes have happened.
    pub fn struck(&self) -> usize {
        let left = |post: &Post| post.strikes.len() + usize::from(post.strike.is_some());
        self.strikes - self.posts.iter().map(left).sum::<usize>()
    }

    /// Whether all strikes have happened and all zombies are gone.
    pub fn is_calm(&self) -> bool {
        self.struck() == self.strikes && self.zombies.is_empty()
    }

    /// Looks after the processes until something is so, or the time is over; says which.
    pub fn until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let since = Instant::now();
        loop {
            self.tick();
            if done(self) {
                return true;
            }
            if since.elapsed() >= limit {
                return false;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// The same, where it must become so.
    pub fn wait(&mut self, what: &str, done: impl FnMut(&Self) -> bool) {
        if !self.until(PATIENCE, done) {
            let tails: Vec<String> = self.posts.iter().map(|post| post.process.tail()).collect();
            panic!("{what} did not come\n{}\n{}", self.left(), tails.join("\n\n"));
        }
    }

    /// Asks all to stop, and waits until they have: what they did not tell yet they tell then.
    pub fn end(mut self) -> Tally {
        self.posts.iter().for_each(|post| post.process.ask_to_stop());
        self.posts.iter_mut().for_each(|post| post.process.ended_well());
        self.tally
    }

    /// What has not happened.
    pub fn left(&self) -> String {
        let left = self.posts.iter().flat_map(|post| post.strike.iter().chain(&post.strikes));
        let left = left.map(|strike| format!("{} (polls of {})", strike.failpoint(), strike.poll_records));
        format!("still to happen: {}", left.collect::<Vec<_>>().join(", "))
    }

    fn tick(&mut self) {
        for post in &mut self.posts {
            let strike = match (post.process.state(), &post.strike) {
                (State::Runs, _) => continue,
                (State::Killed, Some(strike)) if !strike.stops => strike.clone(),
                (State::Stopped, Some(strike)) if strike.stops => strike.clone(),
                (state, strike) => panic!("{state:?} under {strike:?}\n{}", post.process.tail()),
            };
            post.strike = post.strikes.pop_front();
            let successor = start(&self.place, post.service, post.strike.as_ref());
            let process = std::mem::replace(&mut post.process, successor);
            if strike.stops {
                let (group, now) = (strike.target.group, Instant::now());
                let committed = committed(self.context, group);
                self.zombies.push(Zombie { process, group, committed, since: now, asked: now, woken: None });
            } else {
                self.tally.killed += 1;
            }
        }
        let (context, tally) = (self.context, &mut self.tally);
        self.zombies.retain_mut(|zombie| zombie.lives_on(context, tally));
    }
}

impl Zombie {
    /// Wakes it when it is time to, and ends it some time after; says whether it is still there.
    fn lives_on(&mut self, context: &Context, tally: &mut Tally) -> bool {
        match (self.process.state(), self.woken) {
            (State::Stopped, None) => {
                if self.asked.elapsed() < ASK {
                    return true;
                }
                self.asked = Instant::now();
                let overtaken = committed(context, self.group) > self.committed;
                if overtaken || self.since.elapsed() >= SLEEP_MAX {
                    self.woken = Some(self.process.said().len());
                    self.process.wake();
                    self.since = Instant::now();
                    tally.woken += 1;
                    tally.overtaken += usize::from(overtaken);
                }
                true
            }
            // It was just woken.
            (State::Stopped, Some(_)) => true,
            (State::Runs, Some(before)) => {
                let said = self.process.said();
                let replaced = said.get(before..).is_some_and(|said| REPLACED.iter().any(|line| said.contains(line)));
                tally.replaced += usize::from(replaced);
                !replaced && self.since.elapsed() < AWAKE_MAX
            }
            (state, _) => panic!("a zombie of {} is {state:?}\n{}", self.group, self.process.tail()),
        }
    }
}

fn start(place: &Place, service: &str, strike: Option<&Strike>) -> Process {
    let poll_records = strike.map_or(LAST_POLL_RECORDS, |strike| strike.poll_records).to_string();
    place.start(service, &["--poll-records", &poll_records], strike.map(Strike::failpoint).as_deref())
}

/// The sum of a group's offsets.
fn committed(context: &Context, group: &str) -> i64 {
    let task = context.plan.tasks.iter().find(|task| task.group_id == group);
    let topics = &task.unwrap_or_else(|| panic!("the plan has {group}")).reads;
    let tps: Vec<TopicPartition> = topics.iter().flat_map(|topic| super::partitions(context, topic)).collect();
    let committed = context.log.committed(group, &tps).unwrap();
    committed.into_iter().flatten().map(|committed| committed.offset).sum()
}
