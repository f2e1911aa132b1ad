"""Say what each customer ordered: reads two CSV files, and writes a JSON file.

    summary.py INPUTS OUTPUT

This runs in any Python; `shop` is in the folder `library`.
"""

import json
import sys
from pathlib import Path

import shop

_, inputs, output = sys.argv
customers = shop.read(Path(inputs) / "customers.csv")
orders = shop.read(Path(inputs) / "orders.csv")
summary = {
    customer["name"]: [
        order["item"] for order in orders if order["customer"] == customer["customer"]
    ]
    for customer in customers
}
Path(output).write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n")
print(len(orders), "orders of", len(customers), "customers")
