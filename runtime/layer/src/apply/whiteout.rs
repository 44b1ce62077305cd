//! Deletions: written down for overlayfs in a standalone layer, done over parents.
//!
//! A layer deletes only what lower layers have. Its own entries stay, whether they come
//! before or after the deletion (layer.md, "Whiteouts").

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, fsetxattr, mknodat, openat, unlinkat,
};
use rustix::io::Errno;

use super::applier::Applier;
use super::remove::{list, remove};
use super::tree::Id;
use super::trouble::{Trouble, doing};
use super::{NotSelfContained, WhiteoutEncoding};

impl WhiteoutEncoding {
    fn opaque_xattr(self) -> &'static str {
        match self {
            Self::Device => "trusted.overlay.opaque",
            Self::UserDevice | Self::UserXattr => "user.overlay.opaque",
        }
    }
}

impl Applier<'_> {
    /// Hides what lower layers have under `name` in the folder we are in.
    pub(super) fn whiteout(&mut self, name: &[u8]) -> Result<(), Trouble> {
        let own_folder = self.tree.child(self.here(), name);
        match (self.encoding, own_folder) {
            (Some(_), Some(id)) => {
                self.enter(name, id, None)?;
                self.make_opaque()?;
                self.leave()
            }
            (Some(encoding), None) => self.write_whiteout(name, encoding),
            (None, Some(id)) => self.forget_lower(name, id),
            (None, None) if self.tree[self.here()].files.contains(name) => Ok(()),
            (None, None) => self.clear(name),
        }
    }

    /// Hides all that lower layers have in the folder we are in.
    pub(super) fn opaque(&mut self) -> Result<(), Trouble> {
        match self.encoding {
            None => self.clear_lower(),
            Some(_) if self.chain.depth() == 0 => {
                Err(Trouble::NotSelfContained(NotSelfContained::RootOpaque))
            }
            Some(_) => self.make_opaque(),
        }
    }

    /// Tells overlayfs that the folder we are in does not continue one of lower layers.
    /// Over parents that is so by itself: what was there has been removed.
    pub(super) fn make_opaque(&mut self) -> Result<(), Trouble> {
        let here = self.here();
        let Some(encoding) = self.encoding else { return Ok(()) };
        if self.tree[here].opaque {
            return Ok(());
        }
        fsetxattr(self.top()?, encoding.opaque_xattr(), b"y", XattrFlags::empty())
            .map_err(doing("mark as opaque the folder of"))?;
        self.tree[here].opaque = true;
        // Nothing below shows any more; and the mark for whiteouts that are files had the
        // same name, so that they would show as files.
        for name in std::mem::take(&mut self.tree[here].whiteouts) {
            unlinkat(self.top()?, &*name, AtFlags::empty()).map_err(doing("take back"))?;
            self.touch();
        }
        Ok(())
    }

    fn write_whiteout(&mut self, name: &[u8], encoding: WhiteoutEncoding) -> Result<(), Trouble> {
        let here = self.here();
        if self.tree[here].opaque {
            return Ok(());
        }
        let made = match encoding {
            WhiteoutEncoding::Device | WhiteoutEncoding::UserDevice => {
                let kind = FileType::CharacterDevice;
                mknodat(self.top()?, name, kind, Mode::empty(), 0)
            }
            WhiteoutEncoding::UserXattr => self.write_xattr_whiteout(name)?,
        };
        match made {
            Ok(()) => {
                self.touch();
                self.tree[here].whiteouts.insert(name.into());
                Ok(())
            }
            // The layer's own file, which hides lower ones anyway, or a whiteout already.
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(doing("write down the deletion of")(errno)),
        }
    }

    fn write_xattr_whiteout(&mut self, name: &[u8]) -> Result<Result<(), Errno>, Trouble> {
        let here = self.here();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = match openat(self.top()?, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(errno) => return Ok(Err(errno)),
        };
        let writing = doing("write down the deletion of");
        fsetxattr(&file, "user.overlay.whiteout", b"y", XattrFlags::empty()).map_err(&writing)?;
        if !self.tree[here].marked {
            // Without it overlayfs would not look for such whiteouts in this folder.
            fsetxattr(self.top()?, "user.overlay.opaque", b"x", XattrFlags::empty())
                .map_err(&writing)?;
            self.tree[here].marked = true;
        }
        Ok(Ok(()))
    }

    /// Removes what of the folder `name` is not this layer's own.
    fn forget_lower(&mut self, name: &[u8], id: Id) -> Result<(), Trouble> {
        if !self.tree[id].lower {
            return Ok(());
        }
        self.enter(name, id, None)?;
        self.clear_lower()?;
        self.tree[id].lower = false;
        if !self.tree[id].explicit {
            // It was deleted, and is there again only because something lies in it.
            self.reset_folder()?;
            self.tree[id].mtime = None;
        }
        self.leave()
    }

    fn clear_lower(&mut self) -> Result<(), Trouble> {
        let here = self.here();
        for (name, _) in list(self.top()?).map_err(doing("read the folder of"))? {
            if self.tree[here].files.contains(&name[..]) {
                continue;
            }
            if let Some(id) = self.tree.child(here, &name) {
                self.forget_lower(&name, id)?;
                continue;
            }
            remove(self.top()?, &name).map_err(doing("remove what is deleted by"))?;
            self.touch();
        }
        Ok(())
    }
}
