"""Starts a prediction, says which process does it, and waits to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.review.known_models import models_of
from pathoai_annotations.review.predict_here import PredictionRun

if __name__ == "__main__":
    study = Study(Path(sys.argv[1]))
    place = Region(0, 0, 2500, 1700)
    run = PredictionRun(study, next(iter(study.cohort)).slide_id, models_of(study)[0], place)
    sys.stdout.write(f"{run.process_id}\n")
    sys.stdout.flush()
    time.sleep(600)
