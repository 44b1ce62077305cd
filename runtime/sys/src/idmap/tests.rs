//! What is promised of maps for any of them, and what the kernel makes of one.

use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;

use super::*;
use crate::tree;

fn range(inside: u32, outside: u32, count: u32) -> IdRange {
    IdRange { inside, outside, count }
}

/// Whether a map would be one, told id by id.
fn is_apart(ranges: &[IdRange]) -> bool {
    let all = |first: fn(&IdRange) -> u32| {
        let mut ids: Vec<u64> = ranges
            .iter()
            .flat_map(|range| (0..range.count).map(move |i| u64::from(first(range)) + u64::from(i)))
            .collect();
        ids.sort_unstable();
        ids.windows(2).all(|pair| pair[0] != pair[1]) && ids.iter().all(|id| *id <= LAST)
    };
    ranges.iter().all(|range| range.count > 0)
        && all(|range| range.inside)
        && all(|range| range.outside)
}

/// Small ranges, near each other and near the end of what there is, so that many overlap and many don't.
fn ranges() -> impl Strategy<Value = Vec<IdRange>> {
    let first = prop_oneof![0_u32..40, (u32::MAX - 20)..=u32::MAX];
    let one = (first.clone(), first, 0_u32..8)
        .prop_map(|(inside, outside, count)| range(inside, outside, count));
    prop::collection::vec(one, 1..5)
}

proptest! {
    #[test]
    fn a_map_is_taken_exactly_if_no_id_is_there_twice(ranges in ranges()) {
        prop_assert_eq!(IdMap::new(ranges.clone()).is_ok(), is_apart(&ranges));
    }

    #[test]
    fn translating_there_and_back_is_the_same_id(ranges in ranges(), id: u32) {
        let Ok(map) = IdMap::new(ranges.clone()) else { return Ok(()) };
        let near = ranges.iter().flat_map(|r| [r.inside, r.outside, r.inside.wrapping_add(r.count), r.outside.wrapping_sub(1)]);
        for id in near.chain([id]) {
            let expected = ranges.iter().find_map(|r| {
                (0..r.count).find(|i| r.inside + i == id).map(|i| r.outside + i)
            });
            prop_assert_eq!(map.outside(id), expected);
            if let Some(outside) = expected {
                prop_assert_eq!(map.inside(outside), Some(id));
            }
            let mapped = map.inside(id);
            prop_assert_eq!(mapped.and_then(|inside| map.outside(inside)), mapped.map(|_| id));
        }
    }

    #[test]
    fn a_range_is_read_as_it_is_written(inside: u32, outside: u32, count: u32) {
        let range = range(inside, outside, count);
        let read = range.to_string().parse::<IdRange>();
        let fits = |first: u32| u64::from(first) + u64::from(count) < 1 << 32;
        match count > 0 && fits(inside) && fits(outside) {
            true => prop_assert_eq!(read, Ok(range)),
            false => prop_assert_eq!(read, Err(IdMapError::OutOfRange(range))),
        }
    }

    #[test]
    fn nothing_but_three_plain_numbers_is_a_range(text in "[0-9+: -]{0,14}") {
        let plain = |part: &str| !part.is_empty() && part.len() < 10 && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = text.split(':').collect();
        if text.parse::<IdRange>().is_ok() {
            prop_assert!(parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok() && !part.starts_with('+')));
        } else if parts.len() == 3 && parts.iter().all(|part| plain(part)) {
            prop_assert_eq!(parts[2].parse::<u32>(), Ok(0), "{}", text);
        }
    }
}

#[test]
fn what_is_no_map_is_refused_with_its_reason() {
    let of = |ranges: &[IdRange]| IdMap::new(ranges.to_vec()).map_err(|error| error.to_string());
    assert!(of(&[]).unwrap_err().contains("at least one"));
    let many: Vec<IdRange> = (0..341).map(|i| range(i, i, 1)).collect();
    assert!(of(&many[..340]).is_ok());
    assert!(of(&many).unwrap_err().contains("not 341"));
    assert!(of(&[range(0, u32::MAX, 1)]).unwrap_err().contains("4294967294"));
    let error = of(&[range(0, 1000, 10), range(20, 1009, 1)]).unwrap_err();
    assert_eq!(error, "ranges 0:1000:10 and 20:1009:1 of ids overlap");
    for wrong in ["", "0:1", "0:1:2:3", "0:-1:2", "0:+1:2", "0:1:", "a:b:c", "0:1:4294967296"] {
        assert!(wrong.parse::<IdRange>().is_err(), "{wrong:?}");
    }
}

/// user_namespaces(7): what is read back is seen from the reader's own namespace.
#[test]
fn the_kernel_has_the_map_and_shows_files_by_it() {
    let map = IdMap::new(vec![range(0, 300_000, 10), range(10, 400_000, 5)]).unwrap();
    let users = make_users(&map, &map).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("file");
    for (disk, shown) in [(0, 300_000), (9, 300_009), (12, 400_002), (15, 65_534)] {
        fs::write(&place, "").unwrap();
        std::os::unix::fs::chown(&place, Some(disk), Some(disk)).unwrap();
        let tree = tree::bind(folder.path()).unwrap();
        map_mount(tree.as_fd(), users.users.as_fd(), true).unwrap();
        let seen = fs::metadata(format!("/proc/self/fd/{}/file", tree.as_raw_fd())).unwrap();
        assert_eq!((seen.uid(), seen.gid()), (shown, shown), "{disk}");
    }
    let tree = tree::bind(std::path::Path::new("/proc/self")).unwrap();
    let refused = map_mount(tree.as_fd(), users.users.as_fd(), true).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EINVAL), "proc can't be shown with other ids");
    assert_eq!(file_system(tree.as_fd()), "proc");
}
