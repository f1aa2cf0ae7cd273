"""The lab: cohorts, transfer learning, export and appraisal of readers. Needs torch; no clinic imports it."""
