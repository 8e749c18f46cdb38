//! `tidemill plan`: what `apply` would do, computed by what `apply` carries out.

use crate::changes::{Changes, Shown};
use crate::cli::{Global, plan};
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;

pub fn run(global: &Global, output: Output, options: &plan::Plan) -> Result<(), Error> {
    let (environment, _empty) = Environment::foreseen(global, options.rebuild)?;
    let changes = Changes::find(&environment)?;
    let champion = if options.rebuild { Changes::champion(&environment)? } else { None };
    let shown = Shown { environment: &environment, changes: &changes, rebuild: options.rebuild, champion };
    output.show(|| shown.text(), || shown.value())?;
    match changes.refusals() {
        refused if !refused.is_empty() => {
            Err(Error::Input(format!("`apply` would refuse this, for {} reasons that are shown", refused.len())))
        }
        _ if options.detailed_exitcode && (options.rebuild || !changes.is_empty()) => Err(Error::Pending),
        _ => Ok(()),
    }
}
