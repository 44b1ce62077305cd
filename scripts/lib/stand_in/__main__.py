"""Builds a layout: `python3 -m stand_in DEBIAN OUT [quickstart|tests|bench|bench-big|bench-layer]`."""

import sys

from . import bulk, catalog, large, shop
from .debian import Debian
from .layout import Layout

SETS = {
    "quickstart": lambda layout, debian: [build(layout, debian) for build in catalog.QUICK_START],
    "tests": lambda layout, debian: [build(layout, debian) for build in [*catalog.IMAGES, shop.application]],
    "bench": lambda layout, debian: [catalog.busybox(layout, debian), bulk.redis_like(layout)],
    "bench-big": lambda layout, debian: bulk.big(layout),
    "bench-layer": lambda layout, debian: large.small_and_large(layout),
}


def main(debian, out, which):
    layout = Layout(out)
    SETS[which](layout, Debian(debian))
    layout.finish()


main(*sys.argv[1:])
