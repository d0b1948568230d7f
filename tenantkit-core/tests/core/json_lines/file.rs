//! The file itself: bounded, rotated, moved away, and usable again after every error.

use std::num::NonZeroU64;

use super::*;

#[test]
fn at_the_cap_files_are_rotated_and_never_deleted_and_then_only_commits_go_on() {
    let (_folder, path) = folder();
    let numbered = |place| PathBuf::from(format!("{}.{place}", path.display()));
    let cap = NonZeroU64::new(4096).unwrap();
    let open = || JsonLinesSink::options(&path).max_bytes(cap).keep(2).open().unwrap();
    let sink = open();
    assert_eq!(sink.commit(granted("first")).wait(), Ok(()));
    for _ in 0..1000 {
        sink.record(refused_to("acme"));
    }
    // Not everything recorded is on the disk, and it says so.
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    for file in [&path, &numbered(1), &numbered(2)] {
        let len = fs::metadata(file).unwrap().len();
        assert!((3900..=4096).contains(&len), "{len}");
    }
    assert!(!numbered(3).exists());
    assert_eq!(lines(numbered(2))[0]["capability"], "first");

    for _ in 0..10 {
        assert_eq!(sink.commit(granted("later")).wait(), Ok(()));
    }
    assert!(fs::metadata(&path).unwrap().len() > 4096);
    assert_eq!(of(&lines(&path), "granted").len(), 10);

    // Somebody archives a file: there is room, and the count is the first thing that is told.
    let archived = lines(numbered(1));
    fs::remove_file(numbered(1)).unwrap();
    assert_eq!(sink.flush().wait(), Ok(()));
    let all = [lines(numbered(2)), archived, lines(numbered(1)), lines(&path)].concat();
    assert_eq!(of(&all, "refused").len() as u64 + dropped(&all), 1000);
    assert_eq!(lines(&path)[0]["action"], "dropped");
}

#[test]
fn what_anybody_can_cause_leaves_room_in_the_last_file_for_what_a_tenant_does() {
    let (_folder, path) = folder();
    let numbered = |place| PathBuf::from(format!("{}.{place}", path.display()));
    let cap = NonZeroU64::new(4096).unwrap();
    let sink = JsonLinesSink::options(&path).max_bytes(cap).keep(1).open().unwrap();
    for _ in 0..1000 {
        sink.record(refused(Reason::BadSignature));
    }
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    assert!(fs::metadata(numbered(1)).unwrap().len() > 3900);
    let half = fs::metadata(&path).unwrap().len();
    assert!((1900..=2048).contains(&half), "{half}");

    for _ in 0..5 {
        sink.record(refused_to("acme"));
        let mut denied = refused(Reason::CapabilityNotGranted);
        denied.actor = Some(Subject::new("test".parse().unwrap(), "ann".parse().unwrap()));
        sink.record(denied);
        sink.record(granted("migrate"));
    }
    drop(sink);
    let (first, last) = (lines(numbered(1)), lines(&path));
    assert_eq!(last.iter().filter(|line| line["tenant"] == "acme").count(), 5);
    assert_eq!(last.iter().filter(|line| line["actor"]["sub"] == "ann").count(), 5);
    assert_eq!(of(&last, "granted").len(), 5);
    let anonymous = |lines: &[Value]| {
        lines
            .iter()
            .filter(|line| line["reason"] == "bad-signature" && line["count"].is_null())
            .count()
    };
    let told = (anonymous(&first) + anonymous(&last)) as u64;
    assert_eq!(told + dropped(&last), 1000);
}

#[test]
fn what_is_still_owed_is_told_at_the_end_although_there_is_no_room() {
    let (_folder, path) = folder();
    let cap = NonZeroU64::new(1024).unwrap();
    let sink = JsonLinesSink::options(&path).max_bytes(cap).keep(0).open().unwrap();
    for _ in 0..500 {
        sink.record(refused(Reason::Expired));
        sink.record(refused(Reason::BadSignature));
    }
    drop(sink);
    let lines = lines(&path);
    assert_eq!(of(&lines, "refused").len() as u64 + dropped(&lines), 1000);
    assert!(of(&lines, "dropped").len() >= 2);
    assert!(fs::metadata(&path).unwrap().len() < 2048);
}

#[test]
fn after_logrotate_it_writes_the_file_that_is_there_now() {
    let (_folder, path) = folder();
    let sink = JsonLinesSink::open(&path).unwrap();
    assert_eq!(sink.commit(granted("before")).wait(), Ok(()));
    let moved = path.with_extension("moved");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(sink.commit(granted("after")).wait(), Ok(()));
    assert_eq!(lines(&moved)[0]["capability"], "before");
    assert_eq!(lines(&path)[0]["capability"], "after");
    assert_eq!((lines(&moved).len(), lines(&path).len()), (1, 1));
}

#[test]
fn a_commit_is_never_in_a_file_that_was_deleted() {
    let (_folder, path) = folder();
    let sink = JsonLinesSink::open(&path).unwrap();
    assert_eq!(sink.commit(granted("before")).wait(), Ok(()));
    fs::remove_file(&path).unwrap();
    assert_eq!(sink.commit(granted("after")).wait(), Ok(()));
    assert_eq!(lines(&path)[0]["capability"], "after");
}

#[test]
fn a_full_file_that_was_moved_away_makes_room_and_takes_no_place() {
    let (_folder, path) = folder();
    let cap = NonZeroU64::new(1024).unwrap();
    let sink = JsonLinesSink::options(&path).max_bytes(cap).keep(1).open().unwrap();
    let fill = || (0..50).for_each(|_| sink.record(refused_to("acme")));
    fill();
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    let (moved, first) = (path.with_extension("moved"), path.with_extension("jsonl.1"));
    let rotated = fs::read(&first).unwrap();
    fs::rename(&path, &moved).unwrap();
    // As logrotate does, where it is told to.
    fs::write(&path, "").unwrap();
    assert_eq!(sink.flush().wait(), Ok(()));
    assert_eq!(lines(&path)[0]["action"], "dropped");
    assert_eq!(fs::read(&first).unwrap(), rotated);
    fill();
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    assert_eq!(fs::read(&first).unwrap(), rotated);
}

#[test]
fn a_truncated_file_has_room_again() {
    let (_folder, path) = folder();
    let cap = NonZeroU64::new(1024).unwrap();
    let sink = JsonLinesSink::options(&path).max_bytes(cap).keep(0).open().unwrap();
    for _ in 0..50 {
        sink.record(refused(Reason::Expired));
    }
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_eq!(sink.flush().wait(), Ok(()));
    assert!(dropped(&lines(&path)) > 0);
}

#[test]
fn a_line_that_was_torn_by_a_crash_stands_alone() {
    let (_folder, path) = folder();
    fs::write(&path, "{\"at\":\"2027-01-15T0").unwrap();
    let sink = JsonLinesSink::open(&path).unwrap();
    assert_eq!(sink.commit(granted("after")).wait(), Ok(()));
    let text = fs::read_to_string(&path).unwrap();
    let (torn, whole) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"at\":\"2027-01-15T0");
    assert!(serde_json::from_str::<Value>(whole).is_ok(), "{whole}");
}

#[test]
fn a_folder_that_is_gone_refuses_commits_and_when_it_is_back_they_go_on() {
    let (folder, path) = folder();
    let inner = folder.path().join("log");
    fs::create_dir(&inner).unwrap();
    let path = inner.join(path.file_name().unwrap());
    let sink = JsonLinesSink::open(&path).unwrap();
    let away = folder.path().join("away");
    fs::rename(&inner, &away).unwrap();
    assert_eq!(sink.commit(granted("lost")).wait(), Err(NotCommitted::new()));
    sink.record(refused(Reason::Expired));
    assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
    fs::rename(&away, &inner).unwrap();
    assert_eq!(sink.commit(granted("kept")).wait(), Ok(()));
    assert_eq!(sink.flush().wait(), Ok(()));
    let lines = lines(&path);
    assert_eq!(of(&lines, "granted")[0]["capability"], "kept");
    assert_eq!(of(&lines, "granted").len(), 1);
    assert_eq!(dropped(&lines), 1);
}

#[test]
fn a_path_that_cannot_be_opened_is_told_at_start() {
    let (folder, _) = folder();
    assert!(JsonLinesSink::open(folder.path()).is_err());
    assert!(JsonLinesSink::open(folder.path().join("none/audit.jsonl")).is_err());
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_full_disk_refuses_commits_counts_records_and_is_recovered_from() {
        let (_folder, path) = folder();
        symlink("/dev/full", &path).unwrap();
        let sink = JsonLinesSink::open(&path).unwrap();
        assert_eq!(sink.commit(granted("lost")).wait(), Err(NotCommitted::new()));
        for _ in 0..3 {
            sink.record(refused(Reason::Expired));
        }
        assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));

        fs::remove_file(&path).unwrap();
        assert_eq!(sink.commit(granted("kept")).wait(), Ok(()));
        assert_eq!(sink.flush().wait(), Ok(()));
        let lines = lines(&path);
        assert_eq!(lines[0]["capability"], "kept");
        assert_eq!(dropped(&lines), 3);
    }

    #[test]
    fn a_sink_on_a_full_disk_is_dropped_without_a_crash_or_a_wait() {
        let sink = JsonLinesSink::open("/dev/full").unwrap();
        let waits = sink.commit(granted("lost"));
        for _ in 0..1000 {
            sink.record(refused(Reason::Expired));
        }
        drop(sink);
        assert_eq!(waits.wait(), Err(NotCommitted::new()));
    }

    #[test]
    fn what_cannot_be_synced_is_never_durable() {
        // A device that takes everything and keeps nothing.
        let sink = JsonLinesSink::open("/dev/null").unwrap();
        sink.record(refused(Reason::Expired));
        assert_eq!(sink.commit(granted("lost")).wait(), Err(NotCommitted::new()));
    }

    #[test]
    fn a_link_that_leads_nowhere_takes_a_place_and_is_not_replaced() {
        let (folder, path) = folder();
        let place = path.with_extension("jsonl.1");
        symlink(folder.path().join("archive/not-mounted"), &place).unwrap();
        let cap = NonZeroU64::new(1024).unwrap();
        let sink = JsonLinesSink::options(&path).max_bytes(cap).keep(1).open().unwrap();
        for _ in 0..50 {
            sink.record(refused_to("acme"));
        }
        assert_eq!(sink.flush().wait(), Err(NotCommitted::new()));
        assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let (_folder, path) = folder();
        drop(JsonLinesSink::open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
