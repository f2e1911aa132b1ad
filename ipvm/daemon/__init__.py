"""Serve what a store holds and what it can run, in one process: `ipvm serve`, and from Python.

* `serving` puts the parts together as `settings` say, and ends them in order;
* `site` answers over HTTP, `peers` exchanges blocks with peers and tells the DHT what was announced;
* `routes` is the table of the API, `shapes` what it takes and gives, `openapi` describes both;
* `admission` decides who may ask, `api` answers, `operations` does the work;
* `failures` has a status and a body for each error; `metrics` and `logs` tell what happened, `lines`
  without waiting for who reads it.
"""
