//! Where the program's own log goes: standard error, as text or JSON, filtered by `RUST_LOG`.

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging. Without `RUST_LOG` services tell what they do and other commands only what is wrong.
pub fn start(format: LogFormat, service: bool) {
    let default = if service { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let ansi = crate::output::is_watched();
    // Logging that was started already stays as it is; tests do that.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(ansi).with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
