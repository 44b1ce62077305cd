//! What lands where: docker's table of `cp`, from what the source is and what is at the destination.
//!
//! docs.docker.com, "docker container cp", the rules below "Extended description".

use std::path::{Component, Path, PathBuf};

/// A path as it was typed, with what its end says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    /// Without `.`, `..` and superfluous slashes; absolute.
    pub path: PathBuf,
    /// It ends with a slash: what it names is a folder.
    pub is_folder: bool,
    /// It ends with `/.`: what is in that folder, not the folder itself.
    pub is_content: bool,
}

impl Typed {
    /// Reads `text`, which is taken from the root whether it begins with a slash or not.
    pub fn parse(text: &Path) -> Self {
        let bytes = text.as_os_str().as_encoded_bytes();
        let mut path = PathBuf::from("/");
        for component in text.components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::ParentDir => drop(path.pop()),
                _ => {}
            }
        }
        let is_content = bytes == b"." || bytes.ends_with(b"/.") || path.parent().is_none();
        let is_folder = is_content || bytes.ends_with(b"/") || bytes.ends_with(b"/..");
        Self { path, is_folder, is_content }
    }

    /// For the kernel, which lets only folders have a slash at the end.
    pub fn to_open(&self) -> PathBuf {
        match self.is_folder {
            true => self.path.join(""),
            false => self.path.clone(),
        }
    }

    /// Its last name; the root has none.
    pub fn name(&self) -> Option<Vec<u8>> {
        self.path.file_name().map(|name| name.as_encoded_bytes().to_vec())
    }
}

/// What is at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Folder,
    Other,
    Nothing,
}

/// Where the copy goes: into this folder, under this name; without a name the content goes in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub folder: PathBuf,
    pub name: Option<Vec<u8>>,
}

/// Why nothing can be copied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum PlaceError {
    #[error("a folder can't be copied to a file")]
    FolderToFile,
    #[error("it is no folder")]
    NoFolder,
    #[error("there is no such folder: make it first")]
    Missing,
}

/// Where `source` goes at `destination`.
pub(super) fn place(
    source: &Typed,
    source_is_folder: bool,
    destination: &Typed,
    there: There,
) -> Result<Place, PlaceError> {
    let named_anew = || Place {
        folder: destination.path.parent().unwrap_or(Path::new("/")).to_owned(),
        name: destination.name(),
    };
    match (there, source_is_folder) {
        (There::Folder, _) => Ok(Place {
            folder: destination.path.clone(),
            name: if source.is_content && source_is_folder { None } else { source.name() },
        }),
        (There::Other, true) => Err(PlaceError::FolderToFile),
        (There::Other, false) if destination.is_folder => Err(PlaceError::NoFolder),
        (There::Nothing, false) if destination.is_folder => Err(PlaceError::Missing),
        (There::Other | There::Nothing, _) => Ok(named_anew()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Typed {
        Typed::parse(Path::new(text))
    }

    #[test]
    fn the_end_of_a_path_says_what_is_meant() {
        for (text, path, is_folder, is_content) in [
            ("/a/b", "/a/b", false, false),
            ("a//./b", "/a/b", false, false),
            ("/a/b/", "/a/b", true, false),
            ("/a/b/.", "/a/b", true, true),
            (".", "/", true, true),
            ("/", "/", true, true),
            ("/a/../../b", "/b", false, false),
            ("/a/b/..", "/a", true, false),
            ("/a/b.", "/a/b.", false, false),
        ] {
            let expected = Typed { path: path.into(), is_folder, is_content };
            assert_eq!(typed(text), expected, "{text}");
        }
    }

    /// Every line of docker's table.
    #[test]
    fn the_table_is_dockers() {
        use There::{Folder, Nothing, Other};
        let at = |folder: &str, name: Option<&str>| {
            Ok(Place { folder: folder.into(), name: name.map(|name| name.as_bytes().to_vec()) })
        };
        for (source, is_folder, destination, there, expected) in [
            ("/s/f", false, "/d/n", Nothing, at("/d", Some("n"))),
            ("/s/f", false, "/d/n/", Nothing, Err(PlaceError::Missing)),
            ("/s/f", false, "/d/n", Other, at("/d", Some("n"))),
            ("/s/f", false, "/d/n/", Other, Err(PlaceError::NoFolder)),
            ("/s/f", false, "/d", Folder, at("/d", Some("f"))),
            ("/s/f", false, "/d/", Folder, at("/d", Some("f"))),
            ("/s/d", true, "/d/n", Nothing, at("/d", Some("n"))),
            ("/s/d/.", true, "/d/n", Nothing, at("/d", Some("n"))),
            ("/s/d", true, "/d/n/", Nothing, at("/d", Some("n"))),
            ("/s/d", true, "/d/n", Other, Err(PlaceError::FolderToFile)),
            ("/s/d", true, "/d", Folder, at("/d", Some("d"))),
            ("/s/d/", true, "/d", Folder, at("/d", Some("d"))),
            ("/s/d/.", true, "/d", Folder, at("/d", None)),
            ("/", true, "/d", Folder, at("/d", None)),
        ] {
            let found = place(&typed(source), is_folder, &typed(destination), there);
            assert_eq!(found, expected, "{source} to {destination}, {there:?}");
        }
    }
}
