//! Card transactions made up after the description in the Fraud Detection Handbook (chapter 3, "Transaction data
//! simulator"): customers with habits, terminals in reach, three ways to cheat. Seeded: the same seed gives the same
//! transactions.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Poisson};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;
/// Side of the square that customers and terminals live in.
const SIDE: f64 = 100.0;
/// How far customers go.
const RADIUS: f64 = 5.0;
/// An amount above this is always fraud (scenario 1).
const AMOUNT_FRAUD: f64 = 220.0;
/// Days a compromised terminal stays compromised (scenario 2).
const TERMINAL_DAYS: u32 = 28;
/// Days a stolen card is used (scenario 3), a third of the time, for five times the amount.
const CARD_DAYS: u32 = 14;

/// How large the simulated world is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Customers.
    pub customers: u32,
    /// Terminals.
    pub terminals: u32,
    /// Terminals compromised each day.
    pub terminals_compromised: u32,
    /// Cards stolen each day.
    pub cards_stolen: u32,
    /// First day, as days since the Unix epoch.
    pub first_day: i64,
    /// Seed of everything.
    pub seed: u64,
}

/// One transaction with the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Unique, rising with time.
    pub id: i64,
    /// When, milliseconds since the epoch.
    pub time_ms: i64,
    /// Who.
    pub customer: i32,
    /// Where.
    pub terminal: i32,
    /// How much.
    pub amount: f64,
    /// Whether it was fraud.
    pub fraud: bool,
}

struct Customer {
    amount: f64,
    per_day: f64,
    terminals: Vec<i32>,
}

/// A simulated world, day by day.
pub struct Simulator {
    world: World,
    customers: Vec<Customer>,
    rng: ChaCha8Rng,
    next_id: i64,
    day: u32,
    compromised: Vec<(i32, u32)>,
    stolen: Vec<(i32, u32)>,
    inflation: f64,
}

impl Simulator {
    /// Populates a world.
    pub fn new(world: World) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(world.seed);
        let place = |rng: &mut ChaCha8Rng| (rng.random_range(0.0..SIDE), rng.random_range(0.0..SIDE));
        let terminals: Vec<_> = (0..world.terminals).map(|_| place(&mut rng)).collect();
        let customers = (0..world.customers)
            .map(|_| {
                let (x, y) = place(&mut rng);
                let near = terminals.iter().enumerate().filter(|(_, at)| (at.0 - x).hypot(at.1 - y) < RADIUS);
                let terminals = near.map(|(terminal, _)| terminal as i32).collect();
                Customer { amount: rng.random_range(5.0..100.0), per_day: rng.random_range(0.0..4.0), terminals }
            })
            .collect();
        let (compromised, stolen) = (Vec::new(), Vec::new());
        Simulator { world, customers, rng, next_id: 0, day: 0, compromised, stolen, inflation: 1.0 }
    }

    /// From the next day on everybody spends `factor` times as much: the drift on cue.
    pub fn inflate(&mut self, factor: f64) {
        self.inflation = factor;
    }

    /// The day that comes next, counted from 0.
    pub fn day(&self) -> u32 {
        self.day
    }

    /// All transactions of the next day, in time order.
    pub fn next_day(&mut self) -> Vec<Transaction> {
        self.crimes();
        let start_ms = (self.world.first_day + i64::from(self.day)) * 86_400_000;
        let mut rows = Vec::new();
        for customer in 0..self.customers.len() {
            self.customer(customer, start_ms, &mut rows);
        }
        rows.sort_by_key(|row| (row.time_ms, row.customer));
        for row in &mut rows {
            row.id = self.next_id;
            self.next_id += 1;
        }
        self.day += 1;
        rows
    }

    fn crimes(&mut self) {
        let day = self.day;
        self.compromised.retain(|(_, until)| *until > day);
        self.stolen.retain(|(_, until)| *until > day);
        for _ in 0..self.world.terminals_compromised {
            let terminal = self.rng.random_range(0..self.world.terminals) as i32;
            self.compromised.push((terminal, day + TERMINAL_DAYS));
        }
        for _ in 0..self.world.cards_stolen {
            let card = self.rng.random_range(0..self.world.customers) as i32;
            self.stolen.push((card, day + CARD_DAYS));
        }
    }

    fn customer(&mut self, at: usize, start_ms: i64, rows: &mut Vec<Transaction>) {
        let Customer { amount: mean, per_day, ref terminals } = self.customers[at];
        let (Ok(count), Ok(hours), Ok(spending)) = (
            Poisson::new(per_day.max(f64::MIN_POSITIVE)),
            Normal::new(DAY_S / 2.0, 20_000.0),
            Normal::new(mean, mean / 2.0),
        ) else {
            return;
        };
        let rng = &mut self.rng;
        let count: f64 = count.sample(rng);
        for _ in 0..count as u32 {
            let second: f64 = hours.sample(rng);
            if !(0.0..DAY_S).contains(&second) || terminals.is_empty() {
                continue;
            }
            let mut amount: f64 = spending.sample(rng);
            if amount < 0.0 {
                amount = rng.random_range(0.0..mean * 2.0);
            }
            let terminal = terminals[rng.random_range(0..terminals.len())];
            let cheated = self.stolen.iter().any(|(card, _)| *card == at as i32) && rng.random_range(0..3) == 0;
            if cheated {
                amount *= 5.0;
            }
            let fraud = cheated || amount > AMOUNT_FRAUD || self.compromised.iter().any(|(one, _)| *one == terminal);
            let amount = (amount * self.inflation * 100.0).round() / 100.0;
            let time_ms = start_ms + second as i64 * 1_000;
            rows.push(Transaction { id: 0, time_ms, customer: at as i32, terminal, amount, fraud });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64) -> World {
        World { customers: 400, terminals: 800, terminals_compromised: 1, cards_stolen: 1, first_day: 20_000, seed }
    }

    #[test]
    fn the_same_seed_gives_the_same_transactions() {
        let days = |seed| {
            let mut simulator = Simulator::new(world(seed));
            (0..3).flat_map(|_| simulator.next_day()).collect::<Vec<_>>()
        };
        assert_eq!(days(1), days(1));
        assert_ne!(days(1), days(2));
    }

    #[test]
    fn transactions_are_in_order_and_some_are_fraud() {
        let mut simulator = Simulator::new(world(1));
        let rows: Vec<_> = (0..30).flat_map(|_| simulator.next_day()).collect();
        assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id && pair[0].time_ms <= pair[1].time_ms));
        let frauds = rows.iter().filter(|row| row.fraud).count();
        assert!(frauds > 0 && frauds < rows.len() / 5, "{frauds} of {}", rows.len());
        // Two transactions a day and customer on average (a uniform rate from 0 to 4), a few fall outside of the day.
        let expected = 400.0 * 2.0 * 30.0;
        assert!((rows.len() as f64 / expected - 1.0).abs() < 0.1, "{} transactions", rows.len());
    }
}
