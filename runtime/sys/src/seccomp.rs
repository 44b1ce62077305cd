//! Loading a system call filter into the calling thread: seccomp(2).
#![allow(unsafe_code)]

use std::io;

/// One instruction of classic BPF, `struct sock_filter` of `linux/filter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Puts the calling thread, and all it starts, under a filter, for good.
///
/// `flags` are `SECCOMP_FILTER_FLAG_*`, without the one for a listener.
///
/// # Errors
/// `EACCES` without either CAP_SYS_ADMIN or no-new-privileges; `EINVAL` for a program the
/// kernel's checker does not take, an empty one or one of more than 4096 instructions.
pub fn load(flags: u32, program: &[Instruction]) -> io::Result<()> {
    const SET_MODE_FILTER: libc::c_uint = 1;
    const NEW_LISTENER: u32 = 1 << 3;
    if flags & NEW_LISTENER != 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `filter` points at `length` instructions laid out as `struct sock_filter` (both
    // are two bytes, two single bytes and four bytes, in C order), which live through the call;
    // the kernel copies them and writes to nothing of ours.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const filter) };
    // Positive: with TSYNC, the thread that could not follow.
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        _ => Err(io::ErrorKind::ResourceBusy.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_laid_out_as_the_kernels() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Instruction>(), align_of::<libc::sock_filter>());
        assert_eq!(
            std::mem::offset_of!(Instruction, k),
            std::mem::offset_of!(libc::sock_filter, k)
        );
    }

    #[test]
    fn a_thread_under_a_filter_gets_its_verdicts_and_others_do_not() {
        let call = u32::try_from(libc::SYS_getpgid).unwrap();
        let program = [
            Instruction { code: 0x20, jt: 0, jf: 0, k: 0 },
            Instruction { code: 0x15, jt: 0, jf: 1, k: call },
            Instruction { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | 95 },
            Instruction { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
        ];
        let inside = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            load(0, &program).unwrap();
            rustix::process::getpgid(None)
        });
        assert_eq!(inside.join().unwrap(), Err(rustix::io::Errno::OPNOTSUPP));
        assert!(rustix::process::getpgid(None).is_ok());
        assert!(load(0, &[]).is_err());
        assert!(load(1 << 3, &program).is_err());
    }
}
