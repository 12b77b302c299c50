"""Fit minutes = intercept + slope * km to past deliveries; keep the model on the volume."""

import json
import os
import pathlib
from statistics import linear_regression

KM = [1.2, 2.0, 3.1, 4.4, 5.0, 6.3, 7.7, 9.1]
MINUTES = [15.1, 16.6, 19.6, 22.4, 24.2, 26.8, 30.9, 33.5]

target = pathlib.Path("/models/model.json")
if target.exists():
    print(f"{target} is there already", flush=True)
else:
    fit = linear_regression(KM, MINUTES)
    model = {"slope": fit.slope, "intercept": fit.intercept, "trained_by": os.uname().nodename}
    # Write elsewhere, then rename: a reader never sees half a file.
    draft = target.with_suffix(".new")
    draft.write_text(json.dumps(model))
    draft.rename(target)
    print(f"wrote {target}: {model}", flush=True)
