//! When a service starts over, and when it gives up.

use std::sync::atomic::{AtomicBool, Ordering};

use super::start_over;

const DOWN: &str = "the world is down";

#[test]
fn it_starts_over_until_the_service_ends() {
    let (stop, mut served) = (AtomicBool::new(false), 0);
    let ended = start_over(
        "s",
        &stop,
        |error| *error == DOWN,
        |_| {
            served += 1;
            if served < 3 { Err(DOWN) } else { Ok(()) }
        },
    );
    assert_eq!((ended, served), (Ok(()), 3));
}

#[test]
fn what_no_repeat_can_mend_ends_it_at_once() {
    let (stop, mut served) = (AtomicBool::new(false), 0);
    let ended = start_over(
        "s",
        &stop,
        |error| *error == DOWN,
        |_| {
            served += 1;
            Err("a gap")
        },
    );
    assert_eq!((ended, served), (Err("a gap"), 1));
}

#[test]
fn a_stop_ends_the_pause() {
    let (stop, mut served) = (AtomicBool::new(false), 0);
    let ended = start_over(
        "s",
        &stop,
        |error| *error == DOWN,
        |progress| {
            served += 1;
            // Progress each time: without the stop this would never end.
            *progress = true;
            stop.store(served == 2, Ordering::Relaxed);
            Err(DOWN)
        },
    );
    assert_eq!((ended, served), (Err(DOWN), 2));
}
