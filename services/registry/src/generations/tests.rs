use super::*;

fn generations() -> Generations {
    Generations::new(Store::memory(), "a pipeline")
}

#[test]
fn a_wish_comes_into_force_or_is_withdrawn_and_its_number_is_used() {
    let all = generations();
    assert_eq!(all.current().unwrap(), Generation::rebuilt(FIRST, None));
    assert_eq!(all.pending().unwrap(), None);
    let wish = Wish { from: 1, partitions: 16 };
    assert_eq!(all.wish(wish).unwrap(), (2, wish));
    assert_eq!(all.wish(Wish { from: 1, partitions: 8 }).unwrap(), (2, wish), "the first one counts");
    assert_eq!(all.pending().unwrap(), Some((2, wish)));
    assert_eq!(all.settle(2, &Fate::Withdrawn).unwrap(), Fate::Withdrawn);
    let taken = Fate::TakenOver { from: 1, partitions: 16 };
    assert_eq!(all.settle(2, &taken).unwrap(), Fate::Withdrawn, "the first one counts");
    assert_eq!((all.pending().unwrap(), all.current().unwrap().number), (None, FIRST));
    assert_eq!(all.wish(wish).unwrap(), (3, wish));
    assert_eq!(all.settle(3, &taken).unwrap(), taken);
    assert_eq!(all.current().unwrap(), Generation { number: 3, partitions: Some(16), before: vec![1] });
    all.settle(4, &Fate::TakenOver { from: 3, partitions: 4 }).unwrap();
    assert_eq!(all.current().unwrap().before, [1, 3]);
}

#[test]
fn a_rebuild_keeps_the_number_of_partitions() {
    let all = generations();
    all.wish(Wish { from: 1, partitions: 16 }).unwrap();
    all.settle(2, &Fate::TakenOver { from: 1, partitions: 16 }).unwrap();
    let upcoming = all.upcoming().unwrap();
    assert_eq!(upcoming, Generation::rebuilt(3, Some(16)));
    assert_eq!(all.current().unwrap().number, 2, "nothing is begun by looking");
    assert!(all.claim(&upcoming).unwrap());
    assert!(!all.claim(&upcoming).unwrap(), "a number is used once");
    assert_eq!(all.current().unwrap(), Generation::rebuilt(3, Some(16)));
    assert_eq!(all.fate(3).unwrap(), Some(Fate::Rebuilt(Some(16))));
}

#[test]
fn what_an_older_release_wrote_is_a_rebuild() {
    let all = generations();
    all.store.put_create(&format!("{}/2", all.prefix("generation")), b"").unwrap();
    assert_eq!(all.current().unwrap(), Generation::rebuilt(2, None));
}

#[test]
fn a_generation_is_worked_in_until_another_is_wished_for() {
    let all = generations();
    let tenure = Tenure::of(all.clone(), FIRST);
    let wish = Wish { from: 1, partitions: 16 };
    assert_eq!(tenure.end().unwrap(), None);
    all.wish(wish).unwrap();
    assert_eq!(tenure.end().unwrap(), Some(End::Wished(wish)));
    all.settle(2, &Fate::Withdrawn).unwrap();
    assert_eq!(tenure.end().unwrap(), None);
    assert!(all.claim(&all.upcoming().unwrap()).unwrap());
    assert_eq!(tenure.end().unwrap(), None, "of its own accord nobody follows a rebuild");
    all.wish(wish).unwrap();
    all.settle(4, &Fate::TakenOver { from: 1, partitions: 16 }).unwrap();
    assert_eq!(tenure.end().unwrap(), Some(End::TakenOver(4)));
    assert_eq!(Tenure::of(all.clone(), 4).end().unwrap(), None);
    all.wish(Wish { from: 4, partitions: 8 }).unwrap();
    assert_eq!(tenure.end().unwrap(), Some(End::TakenOver(4)), "one that was asleep");
}
