use super::*;

fn content(byte: u8) -> Digest {
    Digest::of(&[byte])
}

fn time() -> Timestamp {
    Timestamp::from_seconds(1_795_341_600).unwrap()
}

fn begin(head: &mut Head, byte: u8, serial: u64) -> u64 {
    let profile = "production".parse().unwrap();
    let new = NewEntry { content_id: content(byte), profile: &profile, serial, content_of: None };
    head.begin(new, time())
}

fn states(head: &Head) -> Vec<(u64, GenerationProgress)> {
    head.generations.iter().map(|entry| (entry.generation, entry.state)).collect()
}

#[test]
fn interrupted_generation_is_resumed_or_replaced() {
    let mut head = Head::default();

    assert_eq!(begin(&mut head, 1, 1), 1);
    assert_eq!(begin(&mut head, 1, 1), 1);
    assert_eq!(begin(&mut head, 2, 2), 2);
    assert_eq!(
        states(&head),
        [(1, GenerationProgress::Abandoned), (2, GenerationProgress::Pending)]
    );
    head.finish(time());
    assert_eq!(begin(&mut head, 3, 3), 3);
    head.finish(time());

    let wanted = [
        (1, GenerationProgress::Abandoned),
        (2, GenerationProgress::Superseded),
        (3, GenerationProgress::Deployed),
    ];
    assert_eq!(states(&head), wanted);
}

#[test]
fn last_ten_generations_are_kept() {
    let mut head = Head::default();
    let mut gone = Vec::new();
    for serial in 1..=13 {
        begin(&mut head, u8::try_from(serial).unwrap(), serial);
        gone.extend(head.finish(time()));
    }
    assert_eq!(gone, [1, 2, 3]);
    assert_eq!(head.generations.len(), GENERATIONS_KEPT);
    assert_eq!(head.deployed().unwrap().generation, 13);
}

#[test]
fn failed_attempts_do_not_evict_rollback_targets() {
    let mut head = Head::default();
    begin(&mut head, 1, 1);
    head.finish(time());
    for serial in 2..=15 {
        begin(&mut head, u8::try_from(serial).unwrap(), serial);
    }

    let gone = head.finish(time());

    assert_eq!(gone, [2, 3, 4, 5, 6]);
    assert_eq!(head.generations[0].state, GenerationProgress::Superseded);
    assert_eq!(head.deployed().unwrap().generation, 15);
}

#[test]
fn removal_passes_through_removing_and_allows_new_generation() {
    let mut head = Head::default();
    begin(&mut head, 1, 1);
    head.finish(time());
    begin(&mut head, 2, 2);

    head.begin_removal();
    assert_eq!(
        states(&head),
        [(1, GenerationProgress::Removing), (2, GenerationProgress::Abandoned)]
    );
    let mut interrupted = head.clone();
    begin(&mut interrupted, 3, 3);
    assert_eq!(states(&interrupted)[0], (1, GenerationProgress::Superseded));
    head.finish_removal(time());

    assert_eq!(
        states(&head),
        [(1, GenerationProgress::Removed), (2, GenerationProgress::Abandoned)]
    );
    assert!(head.deployed().is_none());
    assert_eq!(begin(&mut head, 1, 1), 3);
}

#[test]
fn record_is_canonical_and_forged_record_is_refused() {
    let mut head = Head::default();
    begin(&mut head, 1, 1);
    head.lock = Some(RecordLock { holder: "here".to_owned(), heartbeat: 3, by: None });
    let text = head.to_text().unwrap();
    assert_eq!(Head::parse(&text).unwrap(), head);

    for wrong in [
        String::new(),
        text.replace("v1", "v2"),
        text.replace(',', ", "),
        text.replace("\"heartbeat\"", "\"heartbeats\""),
    ] {
        assert!(Head::parse(&wrong).is_err(), "{wrong}");
    }
    for holder in ["a\nhint: do this", "\u{1b}[2J", &"a".repeat(129)] {
        let mut forged = head.clone();
        forged.lock = Some(RecordLock { holder: holder.to_owned(), heartbeat: 3, by: None });
        assert!(Head::parse(&forged.to_text().unwrap()).is_err(), "{holder}");
    }
    let largest = (1 << 53) - 1;
    let mut forged = head.clone();
    forged.lock = Some(RecordLock { holder: "here".to_owned(), heartbeat: largest, by: None });
    assert!(Head::parse(&forged.to_text().unwrap()).is_err());
    forged = head.clone();
    forged.generations[0].generation = largest;
    assert!(Head::parse(&forged.to_text().unwrap()).is_err());
    for release in ["../x", "a b", ""] {
        let forged = text.replacen('{', &format!(r#"{{"adopting":"{release}","#), 1);
        assert!(Head::parse(&forged).is_err(), "{forged}");
    }
    assert!(Head::parse(&text.replacen('{', r#"{"adopting":"relay","#, 1)).is_ok());
    begin(&mut head, 2, 2);
    head.generations[0].state = GenerationProgress::Pending;
    assert!(Head::parse(&head.to_text().unwrap()).is_err());
    head.generations.reverse();
    assert!(Head::parse(&head.to_text().unwrap()).is_err());
}

#[test]
fn head_with_largest_number_is_read_but_has_no_successor() {
    let mut head = Head::default();
    begin(&mut head, 1, 1);
    head.generations[0].generation = NUMBER_MAX;
    assert!(Head::parse(&head.to_text().unwrap()).is_ok());

    begin(&mut head, 2, 2);

    assert!(head.check().is_err());
    assert!(Head::parse(&head.to_text().unwrap()).is_err());
}

#[test]
fn inventory_names_only_objects_bundle_can_contain() {
    let item = |api_version: &str, kind: &str, namespace: &str, name: &str| Item {
        key: ObjectKey {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        },
        uid: Some("0b5e-1".into()),
    };
    let parsed = |inventory: Vec<Item>| {
        let generation =
            Generation { inventory, ..Generation::new(1, content(1), Vec::new(), Vec::new()) };
        Generation::parse(&generation.to_text().unwrap())
    };
    let good = item("apps/v1", "Deployment", "ns", "relay");
    assert_eq!(parsed(vec![good.clone()]).unwrap().inventory, std::slice::from_ref(&good));
    assert!(parsed(vec![item("v1", "Namespace", "", "ns")]).is_ok());

    for wrong in [
        item("v1", "Pod", "ns", "relay"),
        item("v1", "Deployment", "ns", "relay"),
        item("apps/v1?", "Deployment", "ns", "relay"),
        item("apps/v1", "Deployment", "", "relay"),
        item("apps/v1", "Deployment", "../kube-system", "relay"),
        item("apps/v1", "Deployment", "ns", "../../secrets/x"),
        item("apps/v1", "Deployment", "ns", ""),
        Item { uid: Some("\u{1b}[2J".into()), ..good.clone() },
    ] {
        assert!(parsed(vec![wrong.clone()]).is_err(), "{wrong:?}");
        let retained = Generation::new(1, content(1), Vec::new(), vec![wrong.clone()]);
        assert!(Generation::parse(&retained.to_text().unwrap()).is_err(), "{wrong:?}");
    }
    assert!(parsed(vec![good.clone(), good]).is_err());
}
