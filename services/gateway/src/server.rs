//! Starting and stopping: one thread with a small runtime for HTTP, one for the publisher.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use runtime::context::Context;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tracing::info;

use crate::metrics::Metrics;
use crate::publisher::Publisher;
use crate::sources::Sources;
use crate::state::{State, TAPS_MAX};
use crate::{
    BODY_BYTES_MAX, Error, Options, Running, answer, control, guard, health, ingest, metrics, raw, retrain, tap,
};

/// Time between two looks at the stop flag.
const LOOK_MS: u64 = 100;
/// Longest wait for open requests once told to stop.
const CLOSING_MS_MAX: u64 = 3_000;
/// Threads for work that blocks.
const BLOCKING_THREADS_MAX: usize = 8;

/// Every path with what it does, as `GET /` tells it.
const PATHS: &[(&str, &str)] = &[
    ("POST /v1/sources/{source}/events", "publish events or labels: a JSON object, an array, or JSON lines"),
    ("POST /v1/publish/{topic}", "publish raw records as JSON lines with base64 key, value and headers"),
    ("GET /v1/topics", "topics with their partitions and offsets"),
    (
        "GET /v1/topics/{topic}/tap",
        "records as server-sent events; ?from= &limit= &filter=FIELD=VALUE &follow= &marks=",
    ),
    ("GET /v1/control", "the control state: champion and threshold"),
    ("POST /v1/control/promote", "make a model the champion"),
    ("GET /v1/models", "published models"),
    ("POST /v1/retrain", "ask for a new model, by default of the newest labelled events"),
    ("GET /livez", "whether the process answers"),
    ("GET /readyz", "whether the pipeline can do its work, and what is missing"),
    ("GET /metrics", "counters and lag for Prometheus"),
];

/// Listens and starts the threads.
pub(crate) fn start(context: Context, options: Options) -> Result<Running, Error> {
    let sources = Sources::new(&context)?;
    let metrics = Metrics::new(&context, options.stats)?;
    let listener = options.listener.socket()?;
    let address = listener.local_addr()?;
    let closed = Arc::new(AtomicBool::new(false));
    let client = format!("{}.gateway", context.pipeline.name);
    let (publisher, publishing) = Publisher::start(context.log.clone(), client, closed.clone())?;
    let state = Arc::new(State {
        context,
        decisions: options.decisions,
        models: options.models,
        sources,
        publisher,
        metrics,
        taps: Arc::new(Semaphore::new(TAPS_MAX)),
        waiting: options.waiting,
        stop: options.stop,
    });
    let work = move || {
        let served = runtime().and_then(|runtime| {
            let served = runtime.block_on(serve(listener, state));
            runtime.shutdown_background();
            served
        });
        closed.store(true, Ordering::Relaxed);
        let published = publishing.join().map_err(|_| Error::Panicked);
        served.and(published)
    };
    let join = thread::Builder::new().name("gateway".to_owned()).spawn(work)?;
    info!(%address, "gateway listens");
    Ok(Running { address, join })
}

fn runtime() -> Result<Runtime, Error> {
    let mut builder = Builder::new_current_thread();
    Ok(builder.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).thread_name("gateway.work").build()?)
}

async fn serve(listener: TcpListener, state: Arc<State>) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stop = state.stop.clone();
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(stopped(stop.clone()));
    let given_up = async {
        stopped(stop).await;
        tokio::time::sleep(Duration::from_millis(CLOSING_MS_MAX)).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = given_up => Ok(()),
    }
}

async fn stopped(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", get(paths))
        .route("/v1/sources/{source}/events", post(ingest::events))
        .route("/v1/publish/{topic}", post(raw::publish))
        .route("/v1/topics", get(tap::topics))
        .route("/v1/topics/{topic}/tap", get(tap::tap))
        .route("/v1/control", get(control::show))
        .route("/v1/control/promote", post(control::promote))
        .route("/v1/models", get(control::models))
        .route("/v1/retrain", post(retrain::request))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        .fallback(answer::no_path)
        .method_not_allowed_fallback(answer::no_method)
        .layer(middleware::from_fn(guard::local))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

async fn paths() -> Json<Value> {
    Json(PATHS.iter().map(|(path, what)| json!({ "path": path, "what": what })).collect())
}
