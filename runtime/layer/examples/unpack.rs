//! Unpacks one layer and tells its digests: what `scripts/bench` measures against `tar`.
//!
//! `unpack BLOB FOLDER` writes a standalone layer, `unpack BLOB` only digests it.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use isopod_layer::{Algorithms, Compression, Limits, Target, WhiteoutEncoding, unpack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let blob = arguments.next().ok_or("usage: unpack BLOB [FOLDER]")?;
    let mut first = [0; Compression::DETECTABLE_FROM];
    let detectable = File::open(&blob)?.read(&mut first)?;
    let compression = Compression::detect(&first[..detectable]);
    let folder = arguments.next().map(File::open).transpose()?;
    let target = match &folder {
        Some(folder) => {
            Target::Standalone { folder: folder.as_fd(), whiteouts: WhiteoutEncoding::Device }
        }
        None => Target::Discard,
    };
    let limits = Limits::default();
    let input = File::open(&blob)?;
    let layer = unpack(input, compression, Algorithms::default(), target, &limits, &())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {} bytes", layer.digest, layer.size)?;
    writeln!(out, "{} {} bytes, {} entries", layer.diff_id, layer.tar_size, layer.entries)?;
    if let Err(reason) = layer.self_contained {
        writeln!(out, "not self-contained: {reason}")?;
    }
    Ok(())
}
