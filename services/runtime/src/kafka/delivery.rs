//! The thread that takes in a producer's delivery reports.
//!
//! rdkafka's own `ThreadedProducer` wakes ten times a second and then spins for the last millisecond of each wait, which
//! is a percent of a core for an idle producer; this one sleeps until there is something.

use std::ffi::{CStr, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{io, ptr};

use rdkafka::bindings::{
    RD_KAFKA_EVENT_DR, RD_KAFKA_EVENT_ERROR, RD_KAFKA_EVENT_LOG, rd_kafka_event_destroy, rd_kafka_event_error_string,
    rd_kafka_event_log, rd_kafka_event_message_next, rd_kafka_event_t, rd_kafka_event_type, rd_kafka_queue_destroy,
    rd_kafka_queue_get_main, rd_kafka_queue_poll, rd_kafka_queue_yield, rd_kafka_resp_err_t, rd_kafka_topic_name,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer};

use super::context::ProducerSide;

/// Longest sleep; the thread is woken for everything, this only bounds the damage if a wake-up were ever lost.
const SLEEP_MAX_MS: i32 = 10_000;
/// Log lines up to this severity (syslog's warning) are warnings.
const SYSLOG_WARNING: i32 = 4;

/// Serves a producer's events until it is dropped.
pub(super) struct Deliveries {
    producer: Arc<BaseProducer<ProducerSide>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Deliveries {
    /// Starts the thread.
    pub fn start(producer: Arc<BaseProducer<ProducerSide>>) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (served, stop) = (producer.clone(), stopping.clone());
        let thread = std::thread::Builder::new().name("kafka-delivery".into()).spawn(move || serve(&served, &stop))?;
        Ok(Self { producer, stopping, thread: Some(thread) })
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // SAFETY: the producer is alive; its main queue is only woken.
        unsafe {
            let queue = rd_kafka_queue_get_main(self.producer.client().native_ptr());
            rd_kafka_queue_yield(queue);
            rd_kafka_queue_destroy(queue);
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the delivery thread of a Kafka producer panicked");
        }
    }
}

fn serve(producer: &BaseProducer<ProducerSide>, stopping: &AtomicBool) {
    let side = producer.client().context();
    // SAFETY: the producer outlives this thread, each event is destroyed after its last use, and so is the handle to
    // the queue.
    unsafe {
        let queue = rd_kafka_queue_get_main(producer.client().native_ptr());
        while !stopping.load(Ordering::Acquire) {
            let event = rd_kafka_queue_poll(queue, SLEEP_MAX_MS);
            if !event.is_null() {
                take(event, side);
                rd_kafka_event_destroy(event);
            }
        }
        rd_kafka_queue_destroy(queue);
    }
}

/// # Safety
///
/// `event` is a live event of a producer.
unsafe fn take(event: *mut rd_kafka_event_t, side: &ProducerSide) {
    // SAFETY: messages and strings belong to the event, which is alive.
    unsafe {
        match rd_kafka_event_type(event) {
            RD_KAFKA_EVENT_DR => {
                while let Some(message) = rd_kafka_event_message_next(event).as_ref() {
                    if message.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                        side.fail(&text(rd_kafka_topic_name(message.rkt)), RDKafkaErrorCode::from(message.err));
                    }
                }
            }
            RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
                if rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level) == 0 {
                    let (facility, line) = (text(facility), text(line));
                    if level <= SYSLOG_WARNING {
                        tracing::warn!(facility, "{line}");
                    } else {
                        tracing::debug!(facility, "{line}");
                    }
                }
            }
            RD_KAFKA_EVENT_ERROR => side.note(text(rd_kafka_event_error_string(event))),
            _ => {}
        }
    }
}

/// # Safety
///
/// `text` is null or a C string that is alive.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
