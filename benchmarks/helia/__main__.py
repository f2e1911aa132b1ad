"""Install Helia."""

from benchmarks.helia import install

install()
