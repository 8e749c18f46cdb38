//! Starting and stopping: one thread with a small runtime for HTTP, one for the publisher.

use std::future::IntoFuture;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use runtime::context::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::connections::Connections;
use crate::guard::{Door, Entered};
use crate::inference::Opened;
use crate::metrics::Metrics;
use crate::operations;
use crate::predictions::Predictions;
use crate::publisher::Publisher;
use crate::sources::Sources;
use crate::state::State;
use crate::{Error, Listener, Options, Running};

/// Time between two looks at the stop flag.
const LOOK_MS: u64 = 100;
/// Longest wait for open requests once told to stop.
const CLOSING_MS_MAX: u64 = 3_000;
/// Threads for work that blocks.
const BLOCKING_THREADS_MAX: usize = 8;

/// Listens and starts the threads.
pub(crate) fn start(context: Context, options: Options) -> Result<Running, Error> {
    let sources = Sources::new(&context)?;
    let metrics = Metrics::new(&context, options.stats)?;
    let Listener { local, public } = &options.listener;
    let address = local.local_addr()?;
    let mut entrances = vec![Entrance { socket: local.try_clone()?, tls: None, door: Door::Local }];
    if let Some(public) = public {
        let (socket, tls) = (public.listener.try_clone()?, public.tls.clone());
        entrances.push(Entrance { socket, tls, door: Door::Public(public.tokens.clone()) });
    }
    let closed = Arc::new(AtomicBool::new(false));
    let client = format!("{}.gateway", context.pipeline.name);
    let (publisher, publishing) = Publisher::start(context.log.clone(), client, closed.clone())?;
    let predictions = Predictions::new(context.clone(), options.stop.clone());
    let state = Arc::new(State {
        context,
        decisions: options.decisions,
        models: options.models,
        sources,
        publisher,
        metrics,
        predictions,
        opened: Opened::default(),
        taps: Arc::new(Semaphore::new(options.limits.taps_max)),
        limits: options.limits,
        waiting: options.waiting,
        stop: options.stop,
    });
    let work = move || {
        let served = runtime().and_then(|runtime| {
            let served = runtime.block_on(serve(entrances, state));
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

/// A socket with who is served through it.
struct Entrance {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    door: Door,
}

async fn serve(entrances: Vec<Entrance>, state: Arc<State>) -> Result<(), Error> {
    let places = Arc::new(Semaphore::new(state.limits.requests_max));
    let mut serving = JoinSet::new();
    for Entrance { socket, tls, door } in entrances {
        let connections = Connections::accept(tokio::net::TcpListener::from_std(socket)?, tls, state.limits)?;
        // Whoever is admitted has a body that was read within our own limit.
        let router = operations::router(state.clone(), &Entered { door, places: places.clone() })
            .layer(DefaultBodyLimit::disable());
        let served = axum::serve(connections, router).with_graceful_shutdown(stopped(state.stop.clone()));
        serving.spawn(served.into_future());
    }
    let given_up = async {
        stopped(state.stop.clone()).await;
        tokio::time::sleep(Duration::from_millis(CLOSING_MS_MAX)).await;
    };
    let all = async {
        while let Some(served) = serving.join_next().await {
            served.map_err(|_| Error::Panicked)??;
        }
        Ok(())
    };
    tokio::select! {
        served = all => served,
        () = given_up => Ok(()),
    }
}

async fn stopped(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
