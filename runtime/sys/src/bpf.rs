//! Loading a program of the extended BPF and attaching it to a control group: bpf(2).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One instruction, `struct bpf_insn` of `linux/bpf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u8,
    /// The destination register in the low, the source register in the high four bits.
    pub registers: u8,
    /// Instructions to skip, or where in memory.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Groups below may have programs too, and then all of them must allow (systemd in a container).
const ALLOW_MULTI: u32 = 2;
/// As many as the kernel takes for one group (`BPF_CGROUP_MAX_PROGS`).
const MOST: usize = 64;

/// What `PROG_LOAD` reads, up to the program's name; shorter than the kernel's own means zeros.
#[repr(C)]
struct Load {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// What `PROG_ATTACH` and `PROG_DETACH` read.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// What `PROG_QUERY` reads, and writes the counts into.
#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// What `PROG_GET_FD_BY_ID` reads.
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Loads a program that decides about uses of devices.
///
/// # Errors
/// `EPERM` without CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN); `EINVAL` where the kernel has no
/// such programs, or its checker refuses this one.
pub fn load_device_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..14].copy_from_slice(b"isopod_devices");
    let request = Load {
        kind: TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: program.as_ptr() as u64,
        // It calls no function of the kernel's, which is what a license is asked for.
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name,
    };
    // SAFETY: the kernel reads as many instructions as are counted, and a name that ends with a
    // zero, both alive through the call; it writes nothing without a log.
    let descriptor = unsafe { bpf(PROG_LOAD, &raw const request as *mut Load) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes `program` the only one of its kind that is attached to the control group `group` itself
/// (a folder of the v2 hierarchy). There is no moment without any.
///
/// # Errors
/// `EPERM` where a group above doesn't allow it, or this process may not; `EBADF` and `EINVAL` for
/// what is no such group.
pub fn replace_device_program(group: BorrowedFd<'_>, program: &OwnedFd) -> io::Result<()> {
    let before = attached(group)?;
    change(PROG_ATTACH, group, program.as_fd(), ALLOW_MULTI)?;
    for id in before {
        let mut request = ById { id, next: 0, flags: 0 };
        // SAFETY: the kernel reads the three numbers.
        let old = match unsafe { bpf(PROG_GET_FD_BY_ID, &raw mut request) } {
            // SAFETY: a new descriptor that nobody else has.
            Ok(descriptor) => unsafe { OwnedFd::from_raw_fd(descriptor) },
            // Somebody else has detached it.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        change(PROG_DETACH, group, old.as_fd(), 0)?;
    }
    Ok(())
}

/// The ids of the device programs that are attached to `group` itself.
///
/// # Errors
/// As [`replace_device_program`].
pub fn attached(group: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; MOST];
    let mut request = Query {
        target: number(group),
        kind: ATTACH_CGROUP_DEVICE,
        flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        padding: 0,
    };
    // SAFETY: `ids` has room for as many as `count` says and lives through the call, as `request` does,
    // which the kernel writes the count into.
    unsafe { bpf(PROG_QUERY, &raw mut request) }?;
    ids.truncate(request.count as usize);
    Ok(ids)
}

fn change(
    command: libc::c_int,
    group: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
) -> io::Result<()> {
    let (target, program) = (number(group), number(program));
    let mut request = Attach { target, program, kind: ATTACH_CGROUP_DEVICE, flags };
    // SAFETY: the kernel reads the four numbers.
    unsafe { bpf(command, &raw mut request) }.map(drop)
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    u32::try_from(descriptor.as_raw_fd()).expect("an open descriptor is not negative")
}

/// # Safety
/// `request` must be laid out as the kernel's `union bpf_attr` is for `command`, and what it points
/// at must be alive.
unsafe fn bpf<T>(command: libc::c_int, request: *mut T) -> io::Result<libc::c_int> {
    // SAFETY: the caller's promise; the size is that of what it points at.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<T>()) };
    match libc::c_int::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `union bpf_attr` is laid out in `linux/bpf.h`.
    #[test]
    fn requests_are_laid_out_as_the_kernels() {
        assert_eq!(size_of::<Instruction>(), 8);
        assert_eq!(std::mem::offset_of!(Load, log), 32);
        assert_eq!(std::mem::offset_of!(Load, name), 48);
        assert_eq!(std::mem::offset_of!(Query, ids), 16);
        assert_eq!(std::mem::offset_of!(Query, count), 24);
        assert_eq!((size_of::<Attach>(), size_of::<ById>()), (16, 12));
    }
}
