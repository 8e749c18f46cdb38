//! `tidemill`: the command line, and every service.

mod changes;
mod check;
mod cli;
mod commands;
mod compute;
mod demo;
mod diagnostics;
mod environment;
mod error;
mod exit;
mod init;
mod loading;
mod logging;
mod measures;
mod output;
mod publish;
mod rehearsal;
mod remote;
mod retention;
mod rows;
mod services;
mod settings;
mod signals;
mod sql;
mod supervisor;
mod testing;
mod top;
mod turns;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Format, note};

/// Batches are made on one thread and freed on another, and buffers of all sizes come and go; the C library's allocator
/// spends a tenth of the pipeline's time on that. Without huge pages: the kernel would clear two megabytes for every few
/// kilobytes that a batch touches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the C library keeps of freed memory instead of giving it back at once.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 256 << 20;
/// Blocks up to this size come from what is kept; it is the largest value that the C library takes.
#[cfg(target_env = "gnu")]
const KEPT_BLOCK_BYTES: libc::c_int = 32 << 20;

fn main() -> ExitCode {
    one_thread_per_product();
    keep_freed_memory();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match settings::command_line(&arguments) {
        Ok(cli) => cli,
        Err((error, format)) => {
            tell(&error, format);
            return error.exit().into();
        }
    };
    logging::start(cli.global.log_format, cli.command.is_service());
    match commands::run(&cli) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            tell(&error, cli.global.output);
            error.exit().into()
        }
    }
}

/// Lets candle multiply on the thread that asks: our products are small, and without a number it looks up the machine's
/// cores before each of them, which costs more than the product.
fn one_thread_per_product() {
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        // SAFETY: the first statement of `main`; no other thread runs yet.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    }
}

/// librdkafka allocates through the C library, among it a new buffer for every batch that it unpacks; given back each
/// time, the kernel would clear those pages again and again, a twentieth of a service's time.
fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets numbers that the allocator reads; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

/// Says why, to standard error; what is wrong with a pipeline file was asked for and goes where results go.
fn tell(error: &Error, format: Format) {
    match (error, format) {
        (Error::Interrupted | Error::Closed | Error::Pending, _) => {}
        (Error::Pipeline { json, .. }, Format::Json) => drop(output::Output::new(format).line(&json.to_string())),
        (Error::Pipeline { text, .. }, Format::Text) => note(text.trim_end()),
        (error, Format::Text) => note(&format!("error: {error}")),
        (error, Format::Json) => note(&error.json().to_string()),
    }
}
