#![allow(clippy::unwrap_used)]

use super::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::time::Duration;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_option_is_described() {
    let options = clap_markdown::MarkdownOptions::new()
        .title("Command line".to_owned())
        .show_footer(false)
        .show_table_of_contents(true);
    let page = clap_markdown::help_markdown_command_custom(&Cli::command(), &options);
    expect_test::expect_file!["../../../../docs/reference/command-line.md"].assert_eq(&page);
}

#[test]
fn global_options_stand_anywhere() {
    let cli =
        Cli::parse_from(["tidemill", "tap", "x", "--data", "here", "--from", "-5", "--kafka", "a=b", "--kafka=c=d=e"]);
    assert_eq!(cli.global.data.to_str(), Some("here"));
    assert_eq!(cli.global.kafka, [("a".into(), "b".into()), ("c".into(), "d=e".into())]);
    let Command::Tap(tap) = cli.command else { panic!("it is a tap") };
    assert_eq!(tap.from.as_deref(), Some("-5"));
}

#[test]
fn mappings_stand_between_commas_and_may_be_sql() {
    let parse = |map: &str| Cli::try_parse_from(["tidemill", "publish", "f", "--map", map]);
    let Command::Publish { source, .. } = parse("a=b, c = lpad(hr, 2, '0,='), d=x = 'UP'").unwrap().command else {
        panic!("it is a publish")
    };
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(source.map[0].0, [pair("a", "b"), pair("c", "lpad(hr, 2, '0,=')"), pair("d", "x = 'UP'")]);
    assert!(parse("a=b,c").unwrap_err().to_string().contains("NAME=VALUE"));
}

#[test]
fn lengths_of_time_have_units() {
    let parse = |delay: &str| Cli::try_parse_from(["tidemill", "publish", "f", "--label-delay", delay]);
    let Command::Publish { source, .. } = parse("90s").unwrap().command else { panic!("it is a publish") };
    assert_eq!(source.label_delay, Duration::from_secs(90));
    assert!(parse("90").unwrap_err().to_string().contains("500ms"));
}

#[test]
fn unknown_services_are_refused_with_the_known_ones() {
    let error = Cli::try_parse_from(["tidemill", "run", "validater"]).unwrap_err().to_string();
    assert!(error.contains("validator"), "{error}");
}

#[test]
fn rate_and_speed_up_exclude_each_other() {
    assert!(Cli::try_parse_from(["tidemill", "publish", "f", "--rate", "1", "--speed-up", "2"]).is_err());
    assert!(Cli::try_parse_from(["tidemill", "publish", "f", "--rate", "0"]).is_err());
}
