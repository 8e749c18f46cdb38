//! What a key costs.

use super::{Engine, group};
use crate::Key;

#[test]
fn a_key_with_twenty_events_takes_less_than_1200_bytes() {
    // A million such keys must fit into 1.5 GB; slabs that have just doubled may hold twice the heads they need.
    const BYTES_MAX: usize = 1_200;
    let keys = 20_000_usize;
    let customer = group(&["1d", "7d", "30d"], "0s", &[("n", "count()"), ("m", "avg(a)")]);
    let terminal = group(&["1d", "7d", "30d"], "7d", &[("n", "count()"), ("r", "avg(y)")]);
    for group in [customer, terminal] {
        let mut engine = Engine::new(&group, 0);
        let mut out = vec![None; engine.width()];
        let values = vec![Some(1.0); group.columns().len()];
        for round in 0..20_i64 {
            for number in 0..keys {
                let text = number.to_string();
                let key = Key::new(&text);
                let time_us = round * 86_400_000_000;
                engine.label(Some(key), time_us - 604_800_000_000, Some(0.0));
                engine.event(Some(key), time_us, &values, &mut out);
            }
        }
        assert!(engine.bytes() / keys <= BYTES_MAX, "{} bytes a key", engine.bytes() / keys);
    }
}
