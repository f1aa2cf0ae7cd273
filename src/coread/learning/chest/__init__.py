"""The recipe of the chest radiograph reader: cohort, training, calibration, gate, export, appraisal."""
