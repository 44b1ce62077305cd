"""An OCI image layout on disk (image-spec, image-layout.md) and the documents in it."""

import json
from pathlib import Path

from . import tarball

OCI = "application/vnd.oci.image."
COMPRESSION = {
    "gzip": (OCI + "layer.v1.tar+gzip", tarball.gzip),
    "zstd": (OCI + "layer.v1.tar+zstd", tarball.zstd),
    "none": (OCI + "layer.v1.tar", lambda data: data),
}
CREATED = "2024-01-01T00:00:00Z"


class Layout:
    """Blobs by digest, and one index that names the images."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.blobs = self.folder / "blobs/sha256"
        self.blobs.mkdir(parents=True)
        self.named = []

    def blob(self, media_type, data):
        digest = tarball.digest(data)
        (self.blobs / digest.removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def document(self, media_type, value):
        return self.blob(media_type, json.dumps(value, indent=1).encode())

    def layer(self, layer, compression="gzip"):
        """Gives (descriptor, diff id); the layer's bytes need not stay in memory."""
        media_type, compress = COMPRESSION[compression]
        tar = layer.tar()
        return self.blob(media_type, compress(tar)), tarball.digest(tar)

    def manifest(self, layers, config=None, architecture="amd64", history=None):
        """`layers` as `layer` gave them. Gives the manifest's descriptor, with its platform."""
        platform = {"architecture": architecture, "os": "linux"}
        if architecture == "arm64":
            platform["variant"] = "v8"
        image = {
            "created": CREATED,
            **platform,
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
            "history": history or [{"created": CREATED, "created_by": f"layer {n}"} for n in range(len(layers))],
        }
        descriptor = self.document(OCI + "manifest.v1+json", {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": self.document(OCI + "config.v1+json", image),
            "layers": [descriptor for descriptor, _ in layers],
        })
        return {**descriptor, "platform": platform}

    def index(self, manifests):
        return self.document(OCI + "index.v1+json", {
            "schemaVersion": 2,
            "mediaType": OCI + "index.v1+json",
            "manifests": manifests,
        })

    def attestation(self, of):
        """What build tools put beside an image: a manifest for no platform at all."""
        statement = self.document("application/vnd.in-toto+json", {
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{"name": "stand-in", "digest": {"sha256": of["digest"].removeprefix("sha256:")}}],
        })
        config = self.document(OCI + "config.v1+json", {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]},
        })
        descriptor = self.document(OCI + "manifest.v1+json", {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": config,
            "layers": [statement],
        })
        return {
            **descriptor,
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {
                "vnd.docker.reference.digest": of["digest"],
                "vnd.docker.reference.type": "attestation-manifest",
            },
        }

    def name(self, reference, descriptor):
        annotations = {**descriptor.get("annotations", {}), "org.opencontainers.image.ref.name": reference}
        self.named.append({**descriptor, "annotations": annotations})

    def finish(self):
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": self.named}
        (self.folder / "index.json").write_text(json.dumps(index, indent=1))
