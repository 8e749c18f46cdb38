//! Everything of a pipeline in an S3 bucket: schemas, decisions, snapshots and the archive.

use tests::s3::S3;

use crate::{command, folder, text, transactions};

#[test]
fn a_bucket_takes_the_place_of_the_stores_folder() {
    let Some(server) = S3::start() else { return };
    let dir = folder();
    let url = server.url("shop/one");
    let run = |args: &[&str], exit: i32| {
        let args = [args, &["--store", &url][..]].concat();
        let output = command(dir.path(), &args).envs(server.settings()).output().expect("the binary runs");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {said}");
        said
    };
    let file = transactions(dir.path());
    let file = file.to_str().expect("a path");
    let up = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    let publish = ["--publish", file, "--label-column", "TX_FRAUD"];
    let said = run(&[&up[..], &publish[..]].concat(), 0);
    assert!(said.contains("store in s3://tests/shop/one at http://127.0.0.1:"), "{said}");
    assert!(!dir.path().join(".tidemill/store").exists(), "nothing is kept beside the bucket");

    // A restart finds its schemas, decisions and snapshots there, and nothing is left to do.
    run(&up, 0);
    let snapshots = run(&["snapshot", "verify"], 0);
    assert!(snapshots.contains("fraud.customer.log"), "{snapshots}");
    let keys = server.store("shop/one").list("").expect("a listing");
    for part in ["snapshots/", ".parquet", "schemas/"] {
        assert!(keys.iter().any(|key| key.contains(part)), "no {part} in {keys:?}");
    }
    server.stop();
    let said = run(&["model", "list"], 3);
    assert!(said.contains("check that the store is reachable"), "{said}");
}

#[test]
fn a_bucket_without_a_key_is_said() {
    let dir = folder();
    let args = ["model", "list", "--store", "s3://tests/a"];
    let output = command(dir.path(), &args).env_remove("AWS_ACCESS_KEY_ID").output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("AWS_ACCESS_KEY_ID is not set"), "{said}");
}
