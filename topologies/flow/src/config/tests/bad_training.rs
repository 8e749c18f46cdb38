//! Mistakes in a network and its training.

use expect_test::expect;

use super::check;

#[test]
fn a_network_must_be_known() {
    check(
        "{ mlp: [16, 8] }",
        "{ mpl: [16, 8] }",
        expect![[r#"
        51 TM0008: `mpl` is no network
            network: { mpl: [16, 8] }
                       ^^^
            did you mean `mlp`?
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: [] }",
        expect![[r#"
        51 TM0006: `mlp` must have from 1 to 16 hidden layers, not 0
            network: { mlp: [] }
                            ^
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: [0] }",
        expect![[r#"
        51 TM0006: `mlp` must be from 1 to 65536, not 0
            network: { mlp: [0] }
                             ^
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ mlp: 16 }",
        expect![[r#"
        51 TM0004: `mlp` must be a list of layer widths
            network: { mlp: 16 }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ linear: false }",
        expect![[r#"
        51 TM0004: `network` must be one of `linear: true` and `mlp: [..]`
            network: { linear: false }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "{ linear: true, mlp: [8] }",
        expect![[r#"
        51 TM0004: `network` must be one of `linear: true` and `mlp: [..]`
            network: { linear: true, mlp: [8] }
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "lstm",
        expect![[r#"
        51 TM0004: `lstm` is no network
            network: lstm
                     ^^^^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
    check(
        "{ mlp: [16, 8] }",
        "[16, 8]",
        expect![[r#"
        51 TM0004: `network` must be a map, not a list
            network: [16, 8]
                     ^
            write `network: linear` or `network: { mlp: [64, 32] }`
    "#]],
    );
}

#[test]
fn training_settings_have_ranges() {
    check(
        "epochs: 5",
        "epochs: 0",
        expect![[r#"
        52 TM0006: `epochs` must be from 1 to 10000, not 0
            training: { epochs: 0, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                ^
    "#]],
    );
    check(
        "epochs: 5",
        "epoch: 5",
        expect![[r#"
        52 TM0002: `training` has no setting `epoch`
            training: { epoch: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                        ^^^^^
            did you mean `epochs`?
    "#]],
    );
    check(
        "batch_size: 32",
        "batch_size: -1",
        expect![[r#"
        52 TM0006: `batch_size` must be from 1 to 1048576, not -1
            training: { epochs: 5, batch_size: -1, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                               ^^
    "#]],
    );
    check(
        "learning_rate: 0.01",
        "learning_rate: 0",
        expect![[r#"
        52 TM0006: `learning_rate` must be above 0, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                  ^
    "#]],
    );
    check(
        "learning_rate: 0.01",
        "learning_rate: fast",
        expect![[r#"
        52 TM0004: `learning_rate` must be a number, not a text
            training: { epochs: 5, batch_size: 32, learning_rate: fast, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                  ^^^^
    "#]],
    );
    check(
        "dropout: 0.1",
        "dropout: 1",
        expect![[r#"
        52 TM0006: `dropout` must be at least 0 and below 1, not 1
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                                 ^
    "#]],
    );
    check(
        "l2: 0.001",
        "l2: -0.001",
        expect![[r#"
        52 TM0006: `l2` must be at least 0, not -0.001
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: -0.001, class_weight: balanced, early_stopping: 2 }
                                                                                          ^^^^^^
    "#]],
    );
    check(
        "class_weight: balanced",
        "class_weight: blanced",
        expect![[r#"
        52 TM0008: `blanced` is no choice for `class_weight`
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: blanced, early_stopping: 2 }
                                                                                                               ^^^^^^^
            did you mean `balanced`?
    "#]],
    );
    check(
        "class_weight: balanced",
        "class_weight: 0",
        expect![[r#"
        52 TM0006: `class_weight` must be above 0, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: 0, early_stopping: 2 }
                                                                                                               ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "early_stopping: 0",
        expect![[r#"
        52 TM0006: `early_stopping` must be from 1 to 10000, not 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 0 }
                                                                                                                                         ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "early_stopping: 2, validation_share: 0",
        expect![[r#"
        52 TM0016: `early_stopping` needs a `validation_share` above 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2, validation_share: 0 }
                                                                                                                                         ^
    "#]],
    );
    check(
        "early_stopping: 2",
        "window: 0d",
        expect![[r#"
        52 TM0006: `window` must be longer than nothing
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, window: 0d }
                                                                                                                                 ^^
    "#]],
    );
    check(
        "early_stopping: 2",
        "seed: -1",
        expect![[r#"
        52 TM0006: `seed` must be at least 0, not -1
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, seed: -1 }
                                                                                                                               ^^
    "#]],
    );
}
