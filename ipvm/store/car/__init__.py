"""Carry blocks in one file: content-addressed archives (CAR), read in versions 1 and 2, written in 1."""

from ipvm.store.car.exporting import Exported, export_blocks, export_dag
from ipvm.store.car.files import Read, Write, reading, writing
from ipvm.store.car.importing import Imported, import_car
from ipvm.store.car.reader import CarReader, InvalidCar, Section
from ipvm.store.car.taking import Taken, take_car
from ipvm.store.car.walking import BlockGetter, blocks_of, known_links, walk_dag
from ipvm.store.car.writer import car_header, car_section

__all__ = [
    "BlockGetter",
    "CarReader",
    "Exported",
    "Imported",
    "InvalidCar",
    "Read",
    "Section",
    "Taken",
    "Write",
    "blocks_of",
    "car_header",
    "car_section",
    "export_blocks",
    "export_dag",
    "import_car",
    "known_links",
    "reading",
    "take_car",
    "walk_dag",
    "writing",
]
