//! When a service starts over, and when it gives up.

use std::sync::atomic::{AtomicBool, Ordering};

use super::start_over;

const DOWN: &str = "the world is down";

/// What a service ended with, and how often it was started; `serve` is given that number.
fn ended(
    stop: &AtomicBool,
    mut serve: impl FnMut(u32, &mut bool) -> Result<(), &'static str>,
) -> (Result<(), &'static str>, u32) {
    let mut served = 0;
    let ended = start_over(
        "s",
        stop,
        |error| *error == DOWN,
        |progress| {
            served += 1;
            serve(served, progress)
        },
    );
    (ended, served)
}

#[test]
fn it_starts_over_until_the_service_ends() {
    let ended = ended(&AtomicBool::new(false), |served, _| if served < 3 { Err(DOWN) } else { Ok(()) });
    assert_eq!(ended, (Ok(()), 3));
}

#[test]
fn what_no_repeat_can_mend_ends_it_at_once() {
    assert_eq!(ended(&AtomicBool::new(false), |_, _| Err("a gap")), (Err("a gap"), 1));
}

#[test]
fn a_stop_ends_the_pause() {
    let stop = AtomicBool::new(false);
    let ended = ended(&stop, |served, progress| {
        // Progress each time: without the stop this would never end.
        *progress = true;
        stop.store(served == 2, Ordering::Relaxed);
        Err(DOWN)
    });
    assert_eq!(ended, (Err(DOWN), 2));
}
