"""Serve what a store holds and what it can run, in one process: `ipvm serve`, and from Python.

* `serving` puts the parts together, and ends them in order;
* `routes` is the table of the API, `shapes` what it takes and gives, `openapi` describes both;
* `admission` decides who may ask, `api` answers, `operations` does the work;
* `failures` has a status and a body for each error; `metrics` and `logs` tell what happened.
"""
