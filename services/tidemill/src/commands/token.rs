//! `tidemill token`: a token for the gateway's public address.

use gateway::tokens::Holder;
use serde_json::json;

use crate::cli::gateway::Token;
use crate::error::Error;
use crate::output::{Output, note};

pub fn run(output: Output, options: &Token) -> Result<(), Error> {
    let (token, holder) =
        Holder::new(&options.name, options.roles.clone()).map_err(|error| Error::Failed(error.to_string()))?;
    if output.is_json() {
        return output.line(&json!({ "token": token, "entry": holder }).to_string());
    }
    // A name may be anything, so it is written as JSON text, which YAML reads.
    let roles: Vec<&str> = holder.roles.iter().map(|role| role.name()).collect();
    let entry =
        format!("- {{ name: {}, roles: [{}], sha256: \"{}\" }}", json!(holder.name), roles.join(", "), holder.sha256);
    note("the token of this holder, which is shown once and kept nowhere:");
    output.line(&token)?;
    note("its entry for the file that the gateway gets as --tokens:");
    output.line(&entry)
}
